/** Profile fields, each a JSON text under its key. */

import type { UserId } from '#protocol/ids/user-id.ts'
import type { Reads } from '../reads.ts'

/** The fields of the users' profiles: user → key → JSON text. A user without any is not in the map. */
export async function readProfiles(
  reads: Reads,
  userIds: readonly UserId[],
): Promise<Map<UserId, Map<string, string>>> {
  const rows = await reads.sql<{ user_id: UserId; key: string; value: string }[]>`
    select user_id, key, value from profile where user_id = any(${userIds}::text[]) order by user_id, key`
  const byUser = Map.groupBy(rows, (row) => row.user_id)
  return new Map(
    [...byUser].map(([userId, list]) => [userId, new Map(list.map((row) => [row.key, row.value]))]),
  )
}

/** One user's profile: key → JSON text. */
export async function readProfile(reads: Reads, userId: UserId): Promise<Map<string, string>> {
  return (await readProfiles(reads, [userId])).get(userId) ?? new Map()
}
