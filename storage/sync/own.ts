/** A user's own rows: the truth of which rooms he is in, and what else happened to him. */

import type { LogEntry } from '../entry.ts'
import type { Reads } from '../reads.ts'
import { entryOf, type LogColumns } from './rows.ts'

/**
 * Every row of the logs that concerns the user, after `after` and up to `upTo` of each shard; ascending within a shard. One
 * statement for all shards.
 */
export async function readOwnRows(
  reads: Reads,
  userId: string,
  range: { readonly after: readonly number[]; readonly upTo: readonly number[] },
): Promise<readonly LogEntry[]> {
  const rows = await reads.sql<LogColumns[]>`
    select l.shard_id, l.pos, l.epoch, l.kind, l.room_nid, r.room_id, l.user_id, l.membership, l.prev_membership,
      l.state_root, l.body
    from unnest(${[...range.after]}::bigint[], ${[...range.upTo]}::bigint[]) with ordinality s(after, up_to, n)
    join log l on l.user_id = ${userId} and l.shard_id = s.n - 1 and l.pos > s.after and l.pos <= s.up_to
    left join room r on r.room_nid = l.room_nid
    order by l.shard_id, l.pos`
  return entriesOf(rows)
}

/**
 * Every change of the user's membership in any room, every room that he forgot, and every change of his devices, up to a
 * position of each shard.
 */
export async function readMemberships(
  reads: Reads,
  userId: string,
  upTo: readonly number[],
): Promise<readonly LogEntry[]> {
  const rows = await reads.sql<LogColumns[]>`
    select l.shard_id, l.pos, l.epoch, l.kind, l.room_nid, r.room_id, l.user_id, l.membership, l.prev_membership,
      l.state_root, l.body
    from unnest(${[...upTo]}::bigint[]) with ordinality s(up_to, n)
    join log l on l.user_id = ${userId} and l.shard_id = s.n - 1 and l.pos <= s.up_to
      and (l.kind in (22, 25) or l.membership is distinct from l.prev_membership)
    left join room r on r.room_nid = l.room_nid
    order by l.shard_id, l.pos`
  return entriesOf(rows)
}

function entriesOf(rows: readonly LogColumns[]): LogEntry[] {
  const entries: LogEntry[] = []
  for (const row of rows) {
    const entry = entryOf(row)
    if (entry !== undefined) entries.push(entry)
  }
  return entries
}
