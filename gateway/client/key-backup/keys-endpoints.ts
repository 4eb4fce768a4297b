/**
 * PUT, GET and DELETE of keys in a backup are the same for all keys, for those of one room and for that of one session; what differs
 * is said by a {@link KeyScope}. Client-server API v1.19, "Server-side key backups".
 */

import { type z } from 'zod'
import type { JsonObject } from '#protocol/json/types.ts'
import type { RoomId } from '#protocol/ids/room-id.ts'
import type { BackedUpKey } from '#storage/e2ee/backups.ts'
import type { BackupKey } from '#actors/user/messages.ts'
import { defineEndpoint, type AnyEndpoint } from '../../http/endpoint.ts'
import { checkIds, maxKeysBytes, readKeys, versionIn } from './backup-request.ts'

type Params = Readonly<Record<string, string>>

/** Which keys the path names. */
export interface NamedKeys {
  readonly roomId?: RoomId
  readonly sessionId?: string
}

/** How one set of keys is named and shown. `B`: the body of its PUT. */
export interface KeyScope<B> {
  /** What follows `/room_keys/keys` in the path. */
  readonly suffix: string
  readonly schema: z.ZodType<B>
  /** Throws M_INVALID_PARAM. */
  readonly named: (params: Params) => NamedKeys
  /** The keys that a PUT brings. */
  readonly keysOf: (body: B, params: Params) => readonly BackupKey[]
  /** The answer of a GET. Throws M_NOT_FOUND where there has to be a key. */
  readonly present: (keys: readonly BackedUpKey[]) => JsonObject
}

/** The three endpoints of a scope. */
export function keyEndpoints<B>(scope: KeyScope<B>): readonly AnyEndpoint[] {
  const path = [
    `/_matrix/client/v3/room_keys/keys${scope.suffix}`,
    `/_matrix/client/unstable/room_keys/keys${scope.suffix}`,
  ]
  const put = defineEndpoint<B>({
    method: 'PUT',
    path,
    auth: 'user',
    rateLimit: 'write',
    body: { kind: 'json', maxBytes: maxKeysBytes, schema: scope.schema },
    handle: async ({ ask, body, params, query, requester, traceId }) => {
      const keys = scope.keysOf(body, params)
      checkIds(keys)
      const request = { version: versionIn(query), keys }
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
      const wanted = { version: versionIn(query), ...scope.named(params) }
      return scope.present(await readKeys(reads, requester.userId, wanted))
    },
  })
  const remove = defineEndpoint({
    method: 'DELETE',
    path,
    auth: 'user',
    rateLimit: 'write',
    body: { kind: 'none' },
    handle: async ({ ask, params, query, requester, traceId }) => {
      const request = { version: versionIn(query), ...scope.named(params) }
      return ask.ask('user', requester.userId, 'deleteBackupKeys', request, { traceId })
    },
  })
  return [put, get, remove]
}
