/**
 * All keys in a backup: PUT, GET and DELETE /_matrix/client/v3/room_keys/keys
 * https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3room_keyskeys
 */

import { z } from 'zod'
import { defineEndpoint, type AnyEndpoint } from '../../http/endpoint.ts'
import { checkIds, keyData, maxKeysBytes, presentSessions, readKeys, versionIn } from './backup-request.ts'

const path = ['/_matrix/client/v3/room_keys/keys', '/_matrix/client/unstable/room_keys/keys'] as const

const put = defineEndpoint({
  method: 'PUT',
  path,
  auth: 'user',
  rateLimit: 'write',
  body: {
    kind: 'json',
    maxBytes: maxKeysBytes,
    schema: z.looseObject({
      rooms: z.record(z.string(), z.looseObject({ sessions: z.record(z.string(), keyData) })),
    }),
  },
  handle: async ({ ask, body, query, requester, traceId }) => {
    const keys = Object.entries(body.rooms).flatMap(([roomId, { sessions }]) =>
      Object.entries(sessions).map(([sessionId, data]) => ({ roomId, sessionId, data })),
    )
    checkIds(keys)
    return ask.ask(
      'user',
      requester.userId,
      'putBackupKeys',
      { version: versionIn(query), keys },
      { traceId },
    )
  },
})

const get = defineEndpoint({
  method: 'GET',
  path,
  auth: 'user',
  rateLimit: 'read',
  body: { kind: 'none' },
  handle: async ({ query, reads, requester }) => {
    const keys = await readKeys(reads, requester.userId, { version: versionIn(query) })
    const byRoom = Map.groupBy(keys, (key) => key.roomId)
    return {
      rooms: Object.fromEntries([...byRoom].map(([roomId, ofRoom]) => [roomId, presentSessions(ofRoom)])),
    }
  },
})

const remove = defineEndpoint({
  method: 'DELETE',
  path,
  auth: 'user',
  rateLimit: 'write',
  body: { kind: 'none' },
  handle: async ({ ask, query, requester, traceId }) =>
    ask.ask('user', requester.userId, 'deleteBackupKeys', { version: versionIn(query) }, { traceId }),
})

export const allKeyEndpoints: readonly AnyEndpoint[] = [put, get, remove]
