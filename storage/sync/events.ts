/** What a sync asks of events without reading them. */

import type { Reads } from '../reads.ts'

/** Those of the numbers whose events are not `m.room.member`. */
export async function readNumbersWithoutMembers(reads: Reads, nids: readonly number[]): Promise<number[]> {
  if (nids.length === 0) return []
  const rows = await reads.sql<{ event_nid: number }[]>`
    select event_nid from event where event_nid = any(${[...nids]}::bigint[]) and type <> 'm.room.member'`
  return rows.map((row) => row.event_nid)
}

/** Which of these events anything relates to. */
export async function readRelatedIds(
  reads: Reads,
  events: readonly { readonly roomNid: number; readonly eventId: string }[],
): Promise<ReadonlySet<string>> {
  if (events.length === 0) return new Set()
  const rows = await reads.sql<{ id: string }[]>`
    select p.id from unnest(${events.map((event) => event.roomNid)}::bigint[], ${events.map((event) => event.eventId)}::text[])
      as p(nid, id)
    where exists (select from relation r where r.room_nid = p.nid and r.parent_id = p.id)`
  return new Set(rows.map((row) => row.id))
}
