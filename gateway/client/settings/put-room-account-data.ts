/**
 * PUT /_matrix/client/v3/user/{userId}/rooms/{roomId}/account_data/{type}
 * https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3useruseridroomsroomidaccount_datatype
 */

import { anyJsonObject } from '../../http/body.ts'
import { defineEndpoint } from '../../http/endpoint.ts'
import { checkOwnUser } from '../own-user.ts'
import { checkWritableType, roomIdIn } from './account-data.ts'

export const endpoint = defineEndpoint({
  method: 'PUT',
  path: [
    '/_matrix/client/v3/user/:userId/rooms/:roomId/account_data/:type',
    '/_matrix/client/r0/user/:userId/rooms/:roomId/account_data/:type',
  ],
  auth: 'user',
  rateLimit: 'write',
  body: { kind: 'json', schema: anyJsonObject },
  handle: async (context) => {
    checkOwnUser(context)
    const { ask, body, params, requester, traceId } = context
    const type = params['type'] ?? ''
    checkWritableType(type)
    await ask.ask(
      'user',
      requester.userId,
      'putAccountData',
      { roomId: roomIdIn(params), type, content: body },
      { traceId },
    )
    return {}
  },
})
