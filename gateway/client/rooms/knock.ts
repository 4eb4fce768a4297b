/**
 * POST /_matrix/client/v3/knock/{roomIdOrAlias}
 * https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3knockroomidoralias
 */

import { defineEndpoint } from '../../http/endpoint.ts'
import { changeOwnMembership, reasonBody } from './change-membership.ts'
import { namedRoom } from './named-room.ts'

export const endpoint = defineEndpoint({
  method: 'POST',
  path: ['/_matrix/client/v3/knock/:roomIdOrAlias', '/_matrix/client/r0/knock/:roomIdOrAlias'],
  auth: 'user',
  rateLimit: 'join',
  body: { kind: 'json', schema: reasonBody, optional: true, grammar: 'event' },
  async handle(context) {
    const roomId = namedRoom(context)
    await changeOwnMembership(context, roomId, { action: 'knock', body: context.body })
    return { room_id: roomId }
  },
})
