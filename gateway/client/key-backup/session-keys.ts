/**
 * One session's key in a backup: PUT, GET and DELETE /_matrix/client/v3/room_keys/keys/{roomId}/{sessionId}
 * https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3room_keyskeysroomidsessionid
 */

import { MatrixError } from '#protocol/errors.ts'
import { defineEndpoint, type AnyEndpoint } from '../../http/endpoint.ts'
import { keyData, presentKey, readKeys, sessionIn, versionIn } from './backup-request.ts'

const path = [
  '/_matrix/client/v3/room_keys/keys/:roomId/:sessionId',
  '/_matrix/client/unstable/room_keys/keys/:roomId/:sessionId',
] as const

const put = defineEndpoint({
  method: 'PUT',
  path,
  auth: 'user',
  rateLimit: 'write',
  body: { kind: 'json', schema: keyData },
  handle: async ({ ask, body, params, query, requester, traceId }) => {
    const request = { version: versionIn(query), keys: [{ ...sessionIn(params), data: body }] }
    return ask.ask('user', requester.userId, 'putBackupKeys', request, { traceId })
  },
})

const get = defineEndpoint({
  method: 'GET',
  path,
  auth: 'user',
  rateLimit: 'read',
  body: { kind: 'none' },
  handle: async ({ params, query, reads, requester }) => {
    const scope = { version: versionIn(query), ...sessionIn(params) }
    const [key] = await readKeys(reads, requester.userId, scope)
    if (key === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no key of this session.')
    return presentKey(key)
  },
})

const remove = defineEndpoint({
  method: 'DELETE',
  path,
  auth: 'user',
  rateLimit: 'write',
  body: { kind: 'none' },
  handle: async ({ ask, params, query, requester, traceId }) => {
    const request = { version: versionIn(query), ...sessionIn(params) }
    return ask.ask('user', requester.userId, 'deleteBackupKeys', request, { traceId })
  },
})

export const sessionKeyEndpoints: readonly AnyEndpoint[] = [put, get, remove]
