/** What the endpoints of key backups share. Client-server API v1.19, "Server-side key backups". */

import { parseJson } from '#protocol/json/parse.ts'
import { z } from 'zod'
import { MatrixError } from '#protocol/errors.ts'
import { isRoomId, type RoomId } from '#protocol/ids/room-id.ts'
import type { UserId } from '#protocol/ids/user-id.ts'
import type { JsonObject } from '#protocol/json/types.ts'
import { readBackedUpKeys, readKeyBackup, type BackedUpKey, type KeyBackup } from '#storage/e2ee/backups.ts'
import type { Reads } from '#storage/reads.ts'
import { requiredParam } from '../../http/query.ts'
import { isPlainText } from '../plain-text.ts'

/** Bytes of a body with keys: clients send some hundreds at once. */
export const maxKeysBytes = 16 * 1024 * 1024

/** One session's key; the actor looks at its fields. */
export const keyData = z.custom<JsonObject>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  'must be an object',
)

/** A backup that exists. Throws M_NOT_FOUND. */
export async function existingBackup(
  reads: Reads,
  userId: UserId,
  version: string | undefined,
): Promise<KeyBackup> {
  const isNumber = version === undefined || /^[0-9]{1,15}$/.test(version)
  const number = version === undefined ? undefined : Number(version)
  const backup = isNumber ? await readKeyBackup(reads, userId, number) : undefined
  if (backup === undefined || backup.deleted)
    throw new MatrixError('M_NOT_FOUND', 'There is no such key backup.')
  return backup
}

/** A backup as clients see it. */
export function presentBackup(backup: KeyBackup): JsonObject {
  return {
    algorithm: backup.algorithm,
    // The cast is sound: the text of an object is stored.
    auth_data: parseJson(backup.authData) as JsonObject,
    count: backup.count,
    etag: String(backup.etag),
    version: String(backup.version),
  }
}

/** The version named in the query. Throws M_MISSING_PARAM. */
export function versionIn(query: URLSearchParams): string {
  return requiredParam(query, 'version')
}

/** The session named in the path. Throws M_INVALID_PARAM. */
export function sessionIn(params: Readonly<Record<string, string>>): { roomId: RoomId; sessionId: string } {
  const sessionId = params['sessionId'] ?? ''
  if (!isPlainText(sessionId)) throw new MatrixError('M_INVALID_PARAM', 'This is not a session id.')
  return { ...roomIn(params), sessionId }
}

/** The room named in the path. Throws M_INVALID_PARAM. */
export function roomIn(params: Readonly<Record<string, string>>): { roomId: RoomId } {
  const roomId = params['roomId'] ?? ''
  if (!isRoomId(roomId)) throw new MatrixError('M_INVALID_PARAM', 'This is not a room id.')
  return { roomId }
}

/** Throws M_INVALID_PARAM for ids that are none. */
export function checkIds(keys: readonly { readonly roomId: string; readonly sessionId: string }[]): void {
  for (const { roomId, sessionId } of keys) {
    if (isRoomId(roomId) && isPlainText(sessionId)) continue
    throw new MatrixError('M_INVALID_PARAM', 'A key is named by a room id and a session id.')
  }
}

/** Keys of an existing backup, by room and session. Throws M_NOT_FOUND for a backup that does not exist. */
export async function readKeys(
  reads: Reads,
  userId: UserId,
  scope: { readonly version: string; readonly roomId?: RoomId; readonly sessionId?: string },
): Promise<readonly BackedUpKey[]> {
  const { version } = await existingBackup(reads, userId, scope.version)
  return readBackedUpKeys(reads, { ...scope, userId, version })
}

/** A key as clients see it. */
export function presentKey(key: BackedUpKey): JsonObject {
  return {
    first_message_index: key.firstMessageIndex,
    forwarded_count: key.forwardedCount,
    is_verified: key.isVerified,
    // The cast is sound: the text of an object is stored.
    session_data: parseJson(key.sessionData) as JsonObject,
  }
}

/** Keys by session. */
export function presentSessions(keys: readonly BackedUpKey[]): JsonObject {
  return { sessions: Object.fromEntries(keys.map((key) => [key.sessionId, presentKey(key)])) }
}
