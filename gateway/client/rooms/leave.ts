/**
 * POST /_matrix/client/v3/rooms/{roomId}/leave
 * https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3roomsroomidleave
 */

import { defineEndpoint } from '../../http/endpoint.ts'
import { changeOwnMembership, reasonBody } from './change-membership.ts'
import { roomIdOf } from './request.ts'

export const endpoint = defineEndpoint({
  method: 'POST',
  path: ['/_matrix/client/v3/rooms/:roomId/leave', '/_matrix/client/r0/rooms/:roomId/leave'],
  auth: 'user',
  rateLimit: 'write',
  body: { kind: 'json', schema: reasonBody, optional: true, grammar: 'event' },
  async handle(context) {
    await changeOwnMembership(context, roomIdOf(context), { action: 'leave', body: context.body })
    return {}
  },
})
