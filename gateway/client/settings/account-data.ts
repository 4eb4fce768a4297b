/** Account data as the endpoints give and take it. */

import { parseJson } from '#protocol/json/parse.ts'
import { MatrixError } from '#protocol/errors.ts'
import { isIdText } from '#protocol/ids/limits.ts'
import { isRoomId, type RoomId } from '#protocol/ids/room-id.ts'
import type { UserId } from '#protocol/ids/user-id.ts'
import type { JsonObject } from '#protocol/json/types.ts'
import { fullRuleset } from '#protocol/push/ruleset.ts'
import type { StoredRules } from '#protocol/push/stored-rules.ts'
import { readAccountData } from '#storage/users/account-data.ts'
import type { Reads } from '#storage/reads.ts'

const pushRulesType = 'm.push_rules'

/** The rooms' and users' data that the server itself keeps. */
const ownedByServer: ReadonlySet<string> = new Set(['m.fully_read', pushRulesType])

/** A type that clients may set. Throws M_BAD_JSON (405) for those that the server keeps, M_INVALID_PARAM for one that is none. */
export function checkWritableType(type: string): void {
  if (ownedByServer.has(type)) {
    throw new MatrixError('M_BAD_JSON', `${type} cannot be set through this API.`, { status: 405 })
  }
  if (!isIdText(type)) throw new MatrixError('M_INVALID_PARAM', 'A type has at most 255 bytes.')
}

/** The room in a path. Throws M_INVALID_PARAM. */
export function roomIdIn(params: Readonly<Record<string, string>>): RoomId {
  const roomId = params['roomId'] ?? ''
  if (isRoomId(roomId)) return roomId
  throw new MatrixError('M_INVALID_PARAM', 'This is not a room id.')
}

/** An item as clients see it. Throws M_NOT_FOUND. */
export async function getAccountData(
  reads: Reads,
  userId: UserId,
  item: { readonly roomId: string; readonly type: string },
): Promise<JsonObject> {
  if (!isIdText(item.type)) throw new MatrixError('M_INVALID_PARAM', 'A type has at most 255 bytes.')
  const text = await readAccountData(reads, userId, item)
  if (item.roomId === '' && item.type === pushRulesType) return shownPushRules(userId, parseRules(text))
  if (text === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no such account data.')
  // The cast is sound: only objects are stored.
  return parseJson(text) as JsonObject
}

/** What is stored of a user's push rules. */
export async function readStoredRules(reads: Reads, userId: UserId): Promise<StoredRules | undefined> {
  return parseRules(await readAccountData(reads, userId, { roomId: '', type: pushRulesType }))
}

function parseRules(text: string | undefined): StoredRules | undefined {
  // The cast is sound: what stands under this type was written by the push rule operations alone.
  return text === undefined ? undefined : (parseJson(text) as StoredRules)
}

/** All rules, as `GET /pushrules/` and the account data event have them. */
export function shownPushRules(userId: UserId, stored: StoredRules | undefined): JsonObject {
  // The cast is sound: rules are plain JSON.
  return { global: fullRuleset(userId, stored) as unknown as JsonObject }
}
