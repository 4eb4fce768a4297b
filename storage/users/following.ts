/** What follows in rooms from a user's log rows: how far it has come, and what is still to do (DESIGN.md §8). */

import type { UserId } from '#protocol/ids/user-id.ts'
import { logKinds } from '../log-kinds.ts'
import type { Reads } from '../reads.ts'

/** A kind of following that starts in a user's shard, and the kind of row that it follows. */
const followedKinds = { devices: logKinds.userDevices, profile: logKinds.profile } as const

export type UserFollowing = keyof typeof followedKinds

/** The position up to which a shard's own rows have been told to rooms; 0 where none has been stored. */
export async function readFollowCursor(reads: Reads, kind: UserFollowing, shard: number): Promise<number> {
  const [row] = await reads.sql<{ pos: number }[]>`
    select pos from cursor where kind = ${kind} and target = ${shard} and source = ${shard}`
  return row?.pos ?? 0
}

/** Rows of a shard after a position that rooms have to be told of, ascending. */
export async function readFollowRows(
  reads: Reads,
  page: { kind: UserFollowing; shard: number; after: number; limit: number },
): Promise<{ pos: number; userId: UserId }[]> {
  const rows = await reads.sql<{ pos: number; user_id: UserId }[]>`
    select pos, user_id from log
    where shard_id = ${page.shard} and kind = ${followedKinds[page.kind]} and pos > ${page.after}
      and kind in (${logKinds.userDevices}, ${logKinds.profile})
    order by pos limit ${page.limit}`
  return rows.map((row) => ({ pos: row.pos, userId: row.user_id }))
}
