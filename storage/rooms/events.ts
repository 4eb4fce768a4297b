/** Events by number. */

import type { StoredEvent } from '../entry.ts'
import type { Reads } from '../reads.ts'
import { eventColumns, toEvent, type EventRow } from './rows.ts'

/** The events with these numbers that are there, in no order. */
export async function readEventsByNid(reads: Reads, nids: readonly number[]): Promise<StoredEvent[]> {
  if (nids.length === 0) return []
  const rows = await reads.sql<EventRow[]>`
    select ${eventColumns(reads)} from event e where e.event_nid = any(${nids}::bigint[])`
  return rows.map(toEvent)
}
