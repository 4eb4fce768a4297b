/** Events with their place in a room's order of arrival and the state that the room had after them. */

import { nodeIdFromBytes, type NodeId } from '#protocol/state/trie-node.ts'
import type { StoredEvent } from '../entry.ts'
import type { Reads } from '../reads.ts'
import { eventColumns, toEvent, type EventRow } from './rows.ts'

/** An event with its place in its room's order of arrival. */
export interface PlacedEvent {
  readonly event: StoredEvent
  /** In the log of the room's shard. */
  readonly pos: number
  /** Root of the room's current state after it. */
  readonly stateRoot: NodeId
}

export interface PlacedRow extends EventRow {
  readonly pos: number
  readonly state_root: Uint8Array
}

/** The event of a row. */
export function toPlaced(row: PlacedRow): PlacedEvent {
  return { event: toEvent(row), pos: row.pos, stateRoot: nodeIdFromBytes(row.state_root) }
}

/** An event of a room by its id, or undefined where the room has none of that id. */
export async function placedEvent(
  reads: Reads,
  roomNid: number,
  eventId: string,
): Promise<PlacedEvent | undefined> {
  const [placed] = await placedEvents(reads, roomNid, [eventId])
  return placed
}

/** Events of a room by id, in no order; ids that the room has no event of are left out. */
export async function placedEvents(
  reads: Reads,
  roomNid: number,
  eventIds: readonly string[],
): Promise<PlacedEvent[]> {
  if (eventIds.length === 0) return []
  const rows = await reads.sql<PlacedRow[]>`
    select ${eventColumns(reads)}, l.pos, l.state_root
    from event e join log l on l.room_nid = e.room_nid and l.pos = e.pos
    where e.event_id = any(${[...eventIds]}::text[]) and e.room_nid = ${roomNid} and l.state_root is not null`
  return rows.map(toPlaced)
}
