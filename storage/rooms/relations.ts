/** Events that relate to others: edits, reactions, threads, references. Redacted events have no rows here. */

import type { EventId } from '#protocol/ids/event-id.ts'
import type { UserId } from '#protocol/ids/user-id.ts'
import type { Reads } from '../reads.ts'

export interface ThreadQuery {
  readonly roomNid: number
  /** Only threads whose last reply stands before this position. */
  readonly before: number
  readonly limit: number
  /** Only threads in which this user has written, as their root's sender or in a reply. */
  readonly participant?: UserId | undefined
}

/** Roots of a room's threads, the one with the latest reply first. */
export async function readThreads(
  reads: Reads,
  query: ThreadQuery,
): Promise<{ rootId: EventId; lastPos: number }[]> {
  const { sql } = reads
  const { participant } = query
  const taking =
    participant === undefined
      ? sql``
      : sql`and (bool_or(x.sender = ${participant}) or bool_or(e.sender = ${participant}))`
  return sql<{ rootId: EventId; lastPos: number }[]>`
    select x.parent_id as "rootId", max(x.pos) as "lastPos"
    from relation x left join event e on e.event_id = x.parent_id
    where x.room_nid = ${query.roomNid} and x.rel_type = 'm.thread'
    group by x.parent_id having max(x.pos) < ${query.before} ${taking}
    order by 2 desc limit ${query.limit}`
}
