/**
 * POST /_matrix/client/v3/rooms/{roomId}/join
 * https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3roomsroomidjoin
 */

import { defineEndpoint } from '../../http/endpoint.ts'
import { changeOwnMembership, reasonBody } from './change-membership.ts'
import { roomIdOf } from './request.ts'

export const endpoint = defineEndpoint({
  method: 'POST',
  path: ['/_matrix/client/v3/rooms/:roomId/join', '/_matrix/client/r0/rooms/:roomId/join'],
  auth: 'user',
  rateLimit: 'join',
  body: { kind: 'json', schema: reasonBody, optional: true, grammar: 'event' },
  async handle(context) {
    const roomId = roomIdOf(context)
    await changeOwnMembership(context, roomId, { action: 'join', body: context.body })
    return { room_id: roomId }
  },
})
