/** What unread counts are counted from. */

import type { Reads } from '../reads.ts'
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

/**
 * The position after which the newest `limit` events of each range lie, by room number. A range that holds no more events than
 * that is left out.
 */
export async function readNewestEventsBegin(
  reads: Reads,
  ranges: readonly TimelineRange[],
): Promise<ReadonlyMap<number, number>> {
  if (ranges.length === 0) return new Map()
  const rows = await reads.sql<{ nid: number; pos: number }[]>`
    select r.nid, l.pos
    from unnest(${ranges.map((range) => range.roomNid)}::bigint[], ${ranges.map((range) => range.after)}::bigint[],
      ${ranges.map((range) => range.upTo)}::bigint[], ${ranges.map((range) => range.limit)}::bigint[])
      as r(nid, after, up_to, lim)
    cross join lateral (
      select pos from log where room_nid = r.nid and pos > r.after and pos <= r.up_to and kind = 1
      order by pos desc offset r.lim limit 1
    ) l`
  return new Map(rows.map(({ nid, pos }) => [nid, pos]))
}
