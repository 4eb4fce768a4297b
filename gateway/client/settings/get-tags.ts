/**
 * GET /_matrix/client/v3/user/{userId}/rooms/{roomId}/tags
 * https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3useruseridroomsroomidtags
 */

import { parseJson } from '#protocol/json/parse.ts'
import { objectField, type JsonObject } from '#protocol/json/types.ts'
import { readAccountData } from '#storage/users/account-data.ts'
import { defineEndpoint } from '../../http/endpoint.ts'
import { checkOwnUser } from '../own-user.ts'
import { roomIdIn } from './account-data.ts'

export const endpoint = defineEndpoint({
  method: 'GET',
  path: [
    '/_matrix/client/v3/user/:userId/rooms/:roomId/tags',
    '/_matrix/client/r0/user/:userId/rooms/:roomId/tags',
  ],
  auth: 'user',
  rateLimit: 'read',
  body: { kind: 'none' },
  handle: async (context) => {
    checkOwnUser(context)
    const { params, reads, requester } = context
    const text = await readAccountData(reads, requester.userId, { roomId: roomIdIn(params), type: 'm.tag' })
    // The cast is sound: only objects are stored.
    const content = parseJson(text ?? '{}') as JsonObject
    return { tags: objectField(content, 'tags') ?? {} }
  },
})
