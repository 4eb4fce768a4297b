/** What unread counts are counted from. */

import type { LogEntry } from '../entry.ts'
import type { Reads } from '../reads.ts'
import type { EventRow } from './events.ts'
import { entryOf, type LogColumns } from './rows.ts'
import type { TimelineRange } from './rooms.ts'

/** Counts of a room up to a position, to count on from. */
export interface UnreadMark {
  readonly roomId: string
  readonly pos: number
  /** JSON text. */
  readonly counts: string
}

/** What is stored of a user's counts. */
export function readUnreadMarks(reads: Reads, userId: string): Promise<readonly UnreadMark[]> {
  return reads.sql<
    UnreadMark[]
  >`select room_id as "roomId", pos, counts from unread where user_id = ${userId}`
}

/** The oldest events of each range, `limit` of each room, by room number; ascending. */
export async function readEventsToCount(
  reads: Reads,
  ranges: readonly TimelineRange[],
): Promise<Map<number, LogEntry[]>> {
  if (ranges.length === 0) return new Map()
  const rows = await reads.sql<(LogColumns & EventRow)[]>`
    select l.shard_id, l.pos, l.epoch, l.kind, l.room_nid, null as room_id, l.user_id, l.membership, l.prev_membership,
      l.state_root, null as body, e.event_nid, e.event_id, e.type, e.state_key, e.sender, e.origin_server_ts, e.json,
      e.txn, e.redacted_by
    from unnest(${ranges.map((range) => range.roomNid)}::bigint[], ${ranges.map((range) => range.after)}::bigint[],
      ${ranges.map((range) => range.upTo)}::bigint[], ${ranges.map((range) => range.limit)}::bigint[])
      as r(nid, after, up_to, lim)
    cross join lateral (
      select * from log where room_nid = r.nid and pos > r.after and pos <= r.up_to and kind = 1
      order by pos limit r.lim
    ) l
    join event e on e.event_nid = l.event_nid
    order by l.room_nid, l.pos`
  const entries = rows.flatMap((row) => entryOf(row, row) ?? [])
  return Map.groupBy(entries, (entry) => entry.roomNid ?? 0)
}
