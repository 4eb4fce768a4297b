/** Rows of the model as the query functions give them. */

import type { StoredEvent } from '#storage/entry.ts'
import type { LogEntry } from '#storage/entry.ts'
import { entryOf } from '#storage/sync/rows.ts'
import { toEvent, type EventRow } from '#storage/rooms/rows.ts'
import type { RoomId } from '#protocol/ids/room-id.ts'
import type { UserId } from '#protocol/ids/user-id.ts'
import { nodeIdToBytes, type NodeId } from '#protocol/state/trie-node.ts'
import type { LogRecord, Row, Tables } from './tables.ts'

/** The event of a number, or undefined. */
export function eventOf(tables: Tables, nid: number | null): StoredEvent | undefined {
  const row = nid === null ? undefined : tables.events.get(nid)
  return row && toEvent(eventRow(row))
}

function eventRow(row: Row): EventRow {
  // The cast is sound: the model keeps rows of `event` by its columns.
  return row as unknown as EventRow
}

/** The entry of a row of the log, with its event if `withEvent`. */
export function entryOfRecord(
  tables: Tables,
  record: LogRecord,
  options: { readonly withEvent?: boolean; readonly withRoomId?: boolean } = {},
): LogEntry | undefined {
  const event = options.withEvent === true ? tables.events.get(record.eventNid ?? -1) : undefined
  const room = options.withRoomId === true ? roomOf(tables, record.roomNid) : undefined
  return entryOf(
    {
      shard_id: record.shard,
      pos: record.pos,
      epoch: record.epoch,
      kind: record.kind,
      room_nid: record.roomNid,
      // The casts state what the columns hold.
      room_id: (room?.['room_id'] ?? null) as RoomId | null,
      user_id: record.userId as UserId | null,
      membership: record.membership,
      prev_membership: record.prevMembership,
      state_root: record.stateRoot === null ? null : nodeIdToBytes(record.stateRoot as NodeId),
      body: options.withEvent === true ? null : record.body,
    },
    event && eventRow(event),
  )
}

export function roomOf(tables: Tables, roomNid: number | null): Row | undefined {
  return roomNid === null ? undefined : tables.get('room', roomNid)
}

/** Rows of a room's log after a position, up to and with another; ascending. */
export function roomLog(
  tables: Tables,
  range: { readonly roomNid: number; readonly after?: number; readonly upTo?: number },
): LogRecord[] {
  const { after = 0, upTo = Number.POSITIVE_INFINITY } = range
  return (tables.byRoom.get(range.roomNid) ?? []).filter(({ pos }) => pos > after && pos <= upTo)
}

/** The last of the rows that fits. */
export function lastOf(
  records: readonly LogRecord[],
  fits: (record: LogRecord) => boolean,
): LogRecord | undefined {
  return records.findLast(fits)
}

/** The members of a room as of a position: the last row of each user with a membership. */
export function membersAt(tables: Tables, roomNid: number, pos: number): LogRecord[] {
  const last = new Map<string, LogRecord>()
  for (const record of roomLog(tables, { roomNid, upTo: pos }))
    if (record.membership !== null && record.userId !== null) last.set(record.userId, record)
  return [...last.values()]
}
