/** What follows in rooms from a user's log rows: how far it has come, and what is still to do (DESIGN.md §8). */

import type { UserId } from '#protocol/ids/user-id.ts'
import { logKinds } from '../log-kinds.ts'
import type { Reads } from '../reads.ts'

// The numbers 22 and 24 stand in the statements as such: the partial index is found by a condition without parameters.

/** A kind of following that starts in a user's shard, and the kind of row that it follows. */
const followedKinds = { devices: logKinds.userDevices, profile: logKinds.profile } as const

export type UserFollowing = keyof typeof followedKinds

/** What a shard has still to tell of one kind. */
export interface FollowBacklog {
  readonly kind: UserFollowing
  readonly shard: number
  /** The cursor: everything up to here has been told. */
  readonly stored: number
  /** The first rows after it. */
  readonly rows: readonly { readonly pos: number; readonly userId: UserId }[]
}

/** The backlog of some shards in both kinds, at most `limit` rows of each, in one statement. */
export async function readFollowBacklogs(
  reads: Reads,
  shards: readonly number[],
  limit: number,
): Promise<FollowBacklog[]> {
  const rows = await reads.sql<
    { kind: UserFollowing; shard_id: number; stored: number; pos: number | null; user_id: UserId }[]
  >`
    select f.kind, s.shard_id, coalesce(c.pos, 0) as stored, l.pos, l.user_id
    from unnest(${[...shards]}::integer[]) as s(shard_id)
    cross join (values ('devices', ${followedKinds.devices}::integer), ('profile', ${followedKinds.profile}::integer)) as f(kind, number)
    left join cursor c on c.kind = f.kind and c.target = s.shard_id and c.source = s.shard_id
    left join lateral (
      select pos, user_id from log
      where shard_id = s.shard_id and kind = f.number and kind in (22, 24) and pos > coalesce(c.pos, 0)
        and coalesce(body, '') not like '{"users":%' -- a signature over somebody else's key is no news of this user's devices
      order by pos limit ${limit}
    ) l on true
    order by s.shard_id, f.kind, l.pos`
  const parts = Map.groupBy(rows, (row) => `${row.kind} ${row.shard_id}`)
  return [...parts.values()].flatMap((part) => {
    const [first] = part
    if (first === undefined) return []
    const found = part.flatMap(({ pos, user_id: userId }) => (pos === null ? [] : [{ pos, userId }]))
    return [{ kind: first.kind, shard: first.shard_id, stored: first.stored, rows: found }]
  })
}

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
      and kind in (22, 24) and coalesce(body, '') not like '{"users":%'
    order by pos limit ${page.limit}`
  return rows.map((row) => ({ pos: row.pos, userId: row.user_id }))
}
