/**
 * PUT /_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey}
 * https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3roomsroomidstateeventtypestatekey
 */

import { anyJsonObject } from '../../http/body.ts'
import { defineEndpoint } from '../../http/endpoint.ts'
import { askOwnRoom, pathParam, roomIdOf } from './request.ts'
import { statePaths } from './state-paths.ts'

export const endpoint = defineEndpoint({
  method: 'PUT',
  path: statePaths,
  auth: 'user',
  rateLimit: 'message',
  body: { kind: 'json', schema: anyJsonObject, grammar: 'event' },
  async handle(context) {
    const { eventId } = await askOwnRoom(context, roomIdOf(context), 'state', {
      sender: context.requester.userId,
      type: pathParam(context, 'eventType'),
      stateKey: pathParam(context, 'stateKey'),
      content: context.body,
    })
    return { event_id: eventId }
  },
})
