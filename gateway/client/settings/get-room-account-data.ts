/**
 * GET /_matrix/client/v3/user/{userId}/rooms/{roomId}/account_data/{type}
 * https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3useruseridroomsroomidaccount_datatype
 */

import { defineEndpoint } from '../../http/endpoint.ts'
import { checkOwnUser } from '../own-user.ts'
import { getAccountData, roomIdIn } from './account-data.ts'

export const endpoint = defineEndpoint({
  method: 'GET',
  path: [
    '/_matrix/client/v3/user/:userId/rooms/:roomId/account_data/:type',
    '/_matrix/client/r0/user/:userId/rooms/:roomId/account_data/:type',
  ],
  auth: 'user',
  rateLimit: 'read',
  body: { kind: 'none' },
  handle: (context) => {
    checkOwnUser(context)
    const { params, reads, requester } = context
    return getAccountData(reads, requester.userId, { roomId: roomIdIn(params), type: params['type'] ?? '' })
  },
})
