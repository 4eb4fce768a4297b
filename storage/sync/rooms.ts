/** What a sync reads of rooms' logs: each function asks for many rooms in one statement. */

import { parseJson } from '#protocol/json/parse.ts'
import type { HistoryVisibility } from '#protocol/events/read/history-visibility.ts'
import { historyVisibilityOf } from '#protocol/events/read/history-visibility.ts'
import type { RoomId } from '#protocol/ids/room-id.ts'
import { isJsonObject, objectField, type JsonObject } from '#protocol/json/types.ts'
import type { LogEntry } from '../entry.ts'
import type { Reads } from '../reads.ts'
import { type EventRow, eventColumns } from '../rooms/rows.ts'
import { entryOf, type LogColumns } from './rows.ts'

export interface RoomInfo {
  readonly roomNid: number
  readonly roomId: RoomId
  readonly shard: number
  readonly version: string
}

/** A part of a room's log: after `after`, up to and with `upTo`. */
export interface RoomRange {
  readonly roomNid: number
  readonly after: number
  readonly upTo: number
}

export interface TimelineRange extends RoomRange {
  /** So many events at most. */
  readonly limit: number
}

/** Rooms by number; what is not there is left out. */
export function readRoomInfos(reads: Reads, roomNids: readonly number[]): Promise<readonly RoomInfo[]> {
  return reads.sql<RoomInfo[]>`
    select room_nid as "roomNid", room_id as "roomId", shard_id as shard, version
    from room where room_nid = any(${[...roomNids]}::bigint[])`
}

/** The newest events of each range, by room number, ascending. A room without any is absent. */
export function readTimelines(
  reads: Reads,
  ranges: readonly TimelineRange[],
): Promise<Map<number, LogEntry[]>> {
  return readEventsOf(reads, ranges, 'newest')
}

/** The oldest events of each range, by room number, ascending. A room without any is absent. */
export function readEventsToCount(
  reads: Reads,
  ranges: readonly TimelineRange[],
): Promise<Map<number, LogEntry[]>> {
  return readEventsOf(reads, ranges, 'oldest')
}

async function readEventsOf(
  reads: Reads,
  ranges: readonly TimelineRange[],
  which: 'newest' | 'oldest',
): Promise<Map<number, LogEntry[]>> {
  if (ranges.length === 0) return new Map()
  const { sql } = reads
  const rows = await sql<(LogColumns & EventRow)[]>`
    select l.shard_id, l.pos, l.epoch, l.kind, l.room_nid, null as room_id, l.user_id, l.membership, l.prev_membership,
      l.state_root, null as body, ${eventColumns(reads)}
    from unnest(${ranges.map((range) => range.roomNid)}::bigint[], ${ranges.map((range) => range.after)}::bigint[],
      ${ranges.map((range) => range.upTo)}::bigint[], ${ranges.map((range) => range.limit)}::bigint[])
      as r(nid, after, up_to, lim)
    cross join lateral (
      select * from log where room_nid = r.nid and pos > r.after and pos <= r.up_to and kind = 1
      order by pos ${which === 'newest' ? sql`desc` : sql`asc`} limit r.lim
    ) l
    join event e on e.event_nid = l.event_nid
    order by l.room_nid, l.pos`
  return byRoom(rows.map((row) => entryOf(row, row)))
}

/** Rows of the ranges other than events and receipts, and all changes of membership; by room number, ascending. */
export async function readFacts(
  reads: Reads,
  ranges: readonly RoomRange[],
): Promise<Map<number, LogEntry[]>> {
  if (ranges.length === 0) return new Map()
  const rows = await reads.sql<LogColumns[]>`
    select l.shard_id, l.pos, l.epoch, l.kind, l.room_nid, null as room_id, l.user_id, l.membership, l.prev_membership,
      l.state_root, l.body
    from unnest(${ranges.map((range) => range.roomNid)}::bigint[], ${ranges.map((range) => range.after)}::bigint[],
      ${ranges.map((range) => range.upTo)}::bigint[]) as r(nid, after, up_to)
    join log l on l.room_nid = r.nid and l.pos > r.after and l.pos <= r.up_to
      and (l.kind in (2, 5) or l.membership is not null)
    order by l.room_nid, l.pos`
  return byRoom(rows.map((row) => entryOf(row)))
}

export interface VisibilityChange {
  readonly pos: number
  readonly value: HistoryVisibility
}

/** Every change of who may see a room's history, by room number, ascending. */
export async function readVisibilityChanges(
  reads: Reads,
  roomNids: readonly number[],
): Promise<Map<number, VisibilityChange[]>> {
  const changes = new Map<number, VisibilityChange[]>()
  if (roomNids.length === 0) return changes
  const rows = await reads.sql<{ room_nid: number; pos: number | null; json: string }[]>`
    select e.room_nid, e.json,
      coalesce(e.pos, (select l.pos from log l where l.room_nid = e.room_nid and l.event_nid = e.event_nid)) as pos
    from event e
    where e.type = 'm.room.history_visibility' and e.room_nid = any(${[...roomNids]}::bigint[]) and e.state_key = ''
    order by e.room_nid, pos`
  for (const { room_nid, pos, json } of rows) {
    // One that has no place in the log was never part of the room's state here.
    if (pos === null) continue
    const event: unknown = parseJson(json)
    const content: JsonObject = (isJsonObject(event) && objectField(event, 'content')) || {}
    changes.getOrInsertComputed(room_nid, () => []).push({ pos, value: historyVisibilityOf(content) })
  }
  return changes
}

export interface ReceiptRow {
  readonly roomNid: number
  readonly userId: string
  readonly receiptType: string
  /** '' for an unthreaded receipt. */
  readonly threadId: string
  readonly eventId: string
  readonly ts: number
  readonly pos: number
  readonly eventPos: number
}

/** Receipts last set within the ranges: everybody's public ones, and the private ones of `userId`. */
export function readReceipts(
  reads: Reads,
  userId: string,
  ranges: readonly RoomRange[],
): Promise<readonly ReceiptRow[]> {
  if (ranges.length === 0) return Promise.resolve([])
  return reads.sql<ReceiptRow[]>`
    select c.room_nid as "roomNid", c.user_id as "userId", c.receipt_type as "receiptType", c.thread_id as "threadId",
      c.event_id as "eventId", c.ts, c.pos, c.event_pos as "eventPos"
    from unnest(${ranges.map((range) => range.roomNid)}::bigint[], ${ranges.map((range) => range.after)}::bigint[],
      ${ranges.map((range) => range.upTo)}::bigint[]) as r(nid, after, up_to)
    join receipt c on c.room_nid = r.nid and c.pos > r.after and c.pos <= r.up_to
      and (c.receipt_type <> 'm.read.private' or c.user_id = ${userId})`
}

/** The user's own receipts in these rooms, whenever set. */
export function readOwnReceipts(
  reads: Reads,
  userId: string,
  roomNids: readonly number[],
): Promise<readonly ReceiptRow[]> {
  if (roomNids.length === 0) return Promise.resolve([])
  return reads.sql<ReceiptRow[]>`
    select room_nid as "roomNid", user_id as "userId", receipt_type as "receiptType", thread_id as "threadId",
      event_id as "eventId", ts, pos, event_pos as "eventPos"
    from receipt where room_nid = any(${[...roomNids]}::bigint[]) and user_id = ${userId}`
}

function byRoom(entries: readonly (LogEntry | undefined)[]): Map<number, LogEntry[]> {
  const rooms = new Map<number, LogEntry[]>()
  for (const entry of entries) {
    if (entry?.roomNid !== undefined) rooms.getOrInsertComputed(entry.roomNid, () => []).push(entry)
  }
  return rooms
}
