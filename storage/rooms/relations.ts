/** Events that relate to others: edits, reactions, threads, references. Redacted events have no rows here. */

import type { EventId } from '#protocol/ids/event-id.ts'
import type { UserId } from '#protocol/ids/user-id.ts'
import type { StoredEvent } from '../entry.ts'
import type { Reads } from '../reads.ts'
import { eventColumns, toEvent, type EventRow } from './rows.ts'

export interface RelatedEvent {
  readonly event: StoredEvent
  readonly parentId: EventId
  readonly relType: string
  /** In the room's order of arrival. */
  readonly pos: number
}

export interface RelationQuery {
  readonly roomNid: number
  readonly parentId: EventId
  readonly relType?: string | undefined
  readonly type?: string | undefined
  /** Positions above this one … */
  readonly after: number
  /** … up to this one, included. */
  readonly upTo: number
  /** `forward`: the oldest first. */
  readonly direction: 'forward' | 'backward'
  readonly limit: number
}

interface RelatedRow extends EventRow {
  readonly parent_id: EventId
  readonly rel_type: string
  readonly pos: number
}

/** Events that relate to one event. */
export async function readRelations(reads: Reads, query: RelationQuery): Promise<RelatedEvent[]> {
  const { sql } = reads
  const order = query.direction === 'forward' ? sql`asc` : sql`desc`
  const relType = query.relType === undefined ? sql`` : sql`and x.rel_type = ${query.relType}`
  const type = query.type === undefined ? sql`` : sql`and x.type = ${query.type}`
  const rows = await sql<RelatedRow[]>`
    select ${eventColumns(reads)}, x.parent_id, x.rel_type, x.pos
    from relation x join event e on e.event_nid = x.event_nid
    where x.room_nid = ${query.roomNid} and x.parent_id = ${query.parentId} ${relType} ${type}
      and x.pos > ${query.after} and x.pos <= ${query.upTo}
    order by x.pos ${order} limit ${query.limit}`
  return rows.map(toRelated)
}

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

function toRelated(row: RelatedRow): RelatedEvent {
  return { event: toEvent(row), parentId: row.parent_id, relType: row.rel_type, pos: row.pos }
}
