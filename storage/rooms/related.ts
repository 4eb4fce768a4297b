/** Pages of events that relate to an event, directly or over others. */

import type { Reads } from '../reads.ts'
import { toPlaced, type PlacedEvent, type PlacedRow } from './placed-events.ts'
import { eventColumns } from './rows.ts'

export interface RelatedQuery {
  readonly roomNid: number
  readonly parentId: string
  /** 1: direct relations only. */
  readonly depth: number
  readonly relType: string | undefined
  readonly type: string | undefined
  /** Positions above this one … */
  readonly after: number
  /** … up to this one, included. */
  readonly upTo: number
  readonly direction: 'b' | 'f'
  readonly limit: number
}

/** Events that relate to one event, in the order of arrival or against it. */
export async function relatedEvents(reads: Reads, query: RelatedQuery): Promise<PlacedEvent[]> {
  const { sql } = reads
  const relType = query.relType ?? null
  const type = query.type ?? null
  const order = query.direction === 'b' ? sql`order by l.pos desc` : sql`order by l.pos`
  const rows = await sql<PlacedRow[]>`
    with recursive tree (nid, rel_type, type, depth) as (
      select event_nid, rel_type, type, 1 from relation
      where room_nid = ${query.roomNid} and parent_id = ${query.parentId}
      union
      select r.event_nid, r.rel_type, r.type, t.depth + 1
      from tree t join event p on p.event_nid = t.nid
        join relation r on r.room_nid = ${query.roomNid} and r.parent_id = p.event_id
      where t.depth < ${query.depth}
    )
    select ${eventColumns(reads)}, l.pos, l.state_root
    from (
      select distinct nid from tree
      where (${relType}::text is null or rel_type = ${relType}) and (${type}::text is null or type = ${type})
    ) x
    join event e on e.event_nid = x.nid
    join log l on l.room_nid = e.room_nid and l.pos = e.pos
    where l.pos > ${query.after} and l.pos <= ${query.upTo} and l.state_root is not null
    ${order} limit ${query.limit}`
  return rows.map(toPlaced)
}
