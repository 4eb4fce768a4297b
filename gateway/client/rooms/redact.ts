/**
 * PUT /_matrix/client/v3/rooms/{roomId}/redact/{eventId}/{txnId}
 * https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3roomsroomidredacteventidtxnid
 */

import { parseEventId } from '#protocol/ids/event-id.ts'
import { anyJsonObject } from '../../http/body.ts'
import { defineEndpoint } from '../../http/endpoint.ts'
import { askOwnRoom, pathParam, roomIdOf } from './request.ts'

export const endpoint = defineEndpoint({
  method: 'PUT',
  path: [
    '/_matrix/client/v3/rooms/:roomId/redact/:eventId/:txnId',
    '/_matrix/client/r0/rooms/:roomId/redact/:eventId/:txnId',
  ],
  auth: 'user',
  rateLimit: 'message',
  body: { kind: 'json', schema: anyJsonObject, grammar: 'event', optional: true },
  async handle(context) {
    const { deviceId, userId } = context.requester
    const { redacts: _redacts, ...content } = context.body
    const { eventId } = await askOwnRoom(context, roomIdOf(context), 'redact', {
      sender: userId,
      deviceId,
      txnId: pathParam(context, 'txnId'),
      target: parseEventId(pathParam(context, 'eventId')),
      content,
    })
    return { event_id: eventId }
  },
})
