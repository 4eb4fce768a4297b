/**
 * POST /_matrix/client/v3/rooms/{roomId}/ban
 * https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3roomsroomidban
 */

import { defineEndpoint } from '../../http/endpoint.ts'
import { changeOtherMembership, targetBody } from './change-membership.ts'
import { roomIdOf } from './request.ts'

export const endpoint = defineEndpoint({
  method: 'POST',
  path: ['/_matrix/client/v3/rooms/:roomId/ban', '/_matrix/client/r0/rooms/:roomId/ban'],
  auth: 'user',
  rateLimit: 'write',
  body: { kind: 'json', schema: targetBody, grammar: 'event' },
  async handle(context) {
    await changeOtherMembership(context, roomIdOf(context), { action: 'ban', body: context.body })
    return {}
  },
})
