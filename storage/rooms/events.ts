/** Events by number and by id. */

import type { EventId } from '#protocol/ids/event-id.ts'
import type { StoredEvent } from '../entry.ts'
import type { Reads } from '../reads.ts'
import { eventColumns, toEvent, type EventRow } from './rows.ts'

export interface LocatedEvent {
  readonly event: StoredEvent
  readonly roomNid: number
  /** In the room's order of arrival; undefined for an event that takes no position. */
  readonly pos: number | undefined
}

interface LocatedRow extends EventRow {
  readonly room_nid: number
  readonly pos: number | null
}

/** The events with these numbers that are there, in no order. */
export async function readEventsByNid(reads: Reads, nids: readonly number[]): Promise<StoredEvent[]> {
  if (nids.length === 0) return []
  const rows = await reads.sql<EventRow[]>`
    select ${eventColumns(reads)} from event e where e.event_nid = any(${nids}::bigint[])`
  return rows.map(toEvent)
}

/** The events with these ids that are there, in no order. */
export async function readEventsById(reads: Reads, eventIds: readonly EventId[]): Promise<LocatedEvent[]> {
  const rows = await reads.sql<LocatedRow[]>`
    select ${eventColumns(reads)}, e.room_nid, e.pos from event e where e.event_id = any(${eventIds}::text[])`
  return rows.map((row) => ({ event: toEvent(row), roomNid: row.room_nid, pos: row.pos ?? undefined }))
}

/** The event with this id, or undefined. */
export async function readEventById(reads: Reads, eventId: EventId): Promise<LocatedEvent | undefined> {
  return (await readEventsById(reads, [eventId]))[0]
}

/** Signatures that we added after the events were built, by event number: key id → signature. */
export async function readEventSignatures(
  reads: Reads,
  nids: readonly number[],
): Promise<Map<number, Record<string, string>>> {
  const rows = await reads.sql<{ event_nid: number; key_id: string; signature: string }[]>`
    select event_nid, key_id, signature from event_signature where event_nid = any(${nids}::bigint[])`
  const byEvent = Map.groupBy(rows, (row) => row.event_nid)
  return new Map(
    [...byEvent].map(([nid, list]) => [
      nid,
      Object.fromEntries(list.map((row) => [row.key_id, row.signature])),
    ]),
  )
}
