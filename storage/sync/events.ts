/** What a sync asks of events without reading them. */

import type { Reads } from '../reads.ts'

/** Numbers that one statement looks up: a room may have hundreds of thousands of members. */
const atOnce = 20_000

/** Those of the numbers whose events are not `m.room.member`. */
export async function readNumbersWithoutMembers(reads: Reads, nids: readonly number[]): Promise<number[]> {
  const pieces = Array.from({ length: Math.ceil(nids.length / atOnce) }, (_, i) =>
    nids.slice(i * atOnce, (i + 1) * atOnce),
  )
  const found = await Promise.all(
    pieces.map(
      (piece) => reads.sql<{ event_nid: number }[]>`
        select event_nid from event where event_nid = any(${piece}::bigint[]) and type <> 'm.room.member'`,
    ),
  )
  return found.flat().map((row) => row.event_nid)
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
