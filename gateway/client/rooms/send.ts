/**
 * PUT /_matrix/client/v3/rooms/{roomId}/send/{eventType}/{txnId}
 * https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3roomsroomidsendeventtypetxnid
 */

import { anyJsonObject } from '../../http/body.ts'
import { defineEndpoint } from '../../http/endpoint.ts'
import { askOwnRoom, pathParam, roomIdOf } from './request.ts'

export const endpoint = defineEndpoint({
  method: 'PUT',
  path: [
    '/_matrix/client/v3/rooms/:roomId/send/:eventType/:txnId',
    '/_matrix/client/r0/rooms/:roomId/send/:eventType/:txnId',
  ],
  auth: 'user',
  rateLimit: 'message',
  body: { kind: 'json', schema: anyJsonObject, grammar: 'event' },
  async handle(context) {
    const { deviceId, userId } = context.requester
    const { eventId } = await askOwnRoom(context, roomIdOf(context), 'send', {
      sender: userId,
      deviceId,
      txnId: pathParam(context, 'txnId'),
      type: pathParam(context, 'eventType'),
      content: context.body,
    })
    return { event_id: eventId }
  },
})
