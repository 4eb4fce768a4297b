/**
 * The keys of one room in a backup: PUT, GET and DELETE /_matrix/client/v3/room_keys/keys/{roomId}
 * https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3room_keyskeysroomid
 */

import { z } from 'zod'
import { defineEndpoint, type AnyEndpoint } from '../../http/endpoint.ts'
import {
  checkIds,
  keyData,
  maxKeysBytes,
  presentSessions,
  readKeys,
  roomIn,
  versionIn,
} from './backup-request.ts'

const path = [
  '/_matrix/client/v3/room_keys/keys/:roomId',
  '/_matrix/client/unstable/room_keys/keys/:roomId',
] as const

const put = defineEndpoint({
  method: 'PUT',
  path,
  auth: 'user',
  rateLimit: 'write',
  body: {
    kind: 'json',
    maxBytes: maxKeysBytes,
    schema: z.looseObject({ sessions: z.record(z.string(), keyData) }),
  },
  handle: async ({ ask, body, params, query, requester, traceId }) => {
    const { roomId } = roomIn(params)
    const keys = Object.entries(body.sessions).map(([sessionId, data]) => ({ roomId, sessionId, data }))
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
  handle: async ({ params, query, reads, requester }) => {
    const scope = { version: versionIn(query), ...roomIn(params) }
    return presentSessions(await readKeys(reads, requester.userId, scope))
  },
})

const remove = defineEndpoint({
  method: 'DELETE',
  path,
  auth: 'user',
  rateLimit: 'write',
  body: { kind: 'none' },
  handle: async ({ ask, params, query, requester, traceId }) => {
    const request = { version: versionIn(query), ...roomIn(params) }
    return ask.ask('user', requester.userId, 'deleteBackupKeys', request, { traceId })
  },
})

export const roomKeyEndpoints: readonly AnyEndpoint[] = [put, get, remove]
