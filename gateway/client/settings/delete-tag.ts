/**
 * DELETE /_matrix/client/v3/user/{userId}/rooms/{roomId}/tags/{tag}
 * https://spec.matrix.org/v1.19/client-server-api/#delete_matrixclientv3useruseridroomsroomidtagstag
 */

import { defineEndpoint } from '../../http/endpoint.ts'
import { checkOwnUser } from '../own-user.ts'
import { roomIdIn } from './account-data.ts'

export const endpoint = defineEndpoint({
  method: 'DELETE',
  path: [
    '/_matrix/client/v3/user/:userId/rooms/:roomId/tags/:tag',
    '/_matrix/client/r0/user/:userId/rooms/:roomId/tags/:tag',
  ],
  auth: 'user',
  rateLimit: 'write',
  body: { kind: 'none' },
  handle: async (context) => {
    checkOwnUser(context)
    const { ask, params, requester, traceId } = context
    const request = { roomId: roomIdIn(params), tag: params['tag'] ?? '' }
    await ask.ask('user', requester.userId, 'deleteTag', request, { traceId })
    return {}
  },
})
