/** Models `storage/sync/rooms.ts`. */

import type * as real from '#storage/sync/rooms.ts'
import { historyVisibilityOf } from '#protocol/events/read/history-visibility.ts'
import { isJsonObject, objectField, type JsonObject } from '#protocol/json/types.ts'
import type { LogEntry } from '#storage/entry.ts'
import { logKinds } from '#storage/log-kinds.ts'
import { asked } from '../access.ts'
import { receiptsOf } from '../receipt-rows.ts'
import { entryOfRecord, roomLog, roomOf } from '../rows.ts'
import type { LogRecord, Tables } from '../tables.ts'

type RoomInfo = Awaited<ReturnType<typeof real.readRoomInfos>>[number]

export const readRoomInfos: typeof real.readRoomInfos = (reads, roomNids) =>
  asked(reads, (tables) =>
    [...new Set(roomNids)].flatMap((roomNid): RoomInfo[] => {
      const room = roomOf(tables, roomNid)
      if (room === undefined) return []
      // The casts state what the columns hold.
      const roomId = room['room_id'] as RoomInfo['roomId']
      return [{ roomNid, roomId, shard: room['shard_id'] as number, version: room['version'] as string }]
    }),
  )

export const readTimelines: typeof real.readTimelines = async (reads, ranges) =>
  byRoom(reads, ranges, (tables, range) => eventsIn(tables, range).slice(-range.limit), { withEvent: true })

export const readEventsToCount: typeof real.readEventsToCount = async (reads, ranges) =>
  byRoom(reads, ranges, (tables, range) => eventsIn(tables, range).slice(0, range.limit), { withEvent: true })

export const readFacts: typeof real.readFacts = async (reads, ranges) =>
  byRoom(
    reads,
    ranges,
    (tables, range) =>
      roomLog(tables, range).filter(
        ({ kind, membership }) =>
          kind === logKinds.state || kind === logKinds.deviceList || membership !== null,
      ),
    { withEvent: false },
  )

export const readVisibilityChanges: typeof real.readVisibilityChanges = async (reads, roomNids) => {
  if (roomNids.length === 0) return new Map()
  return asked(reads, (tables) => new Map(roomNids.flatMap((nid) => visibilityOf(tables, nid))))
}

export const readReceipts: typeof real.readReceipts = async (reads, userId, ranges) => {
  if (ranges.length === 0) return []
  return asked(reads, (tables) =>
    ranges.flatMap((range) =>
      receiptsOf(
        tables,
        (receipt) =>
          receipt.roomNid === range.roomNid &&
          receipt.pos > range.after &&
          receipt.pos <= range.upTo &&
          (receipt.receiptType !== 'm.read.private' || receipt.userId === userId),
      ),
    ),
  )
}

export const readOwnReceipts: typeof real.readOwnReceipts = async (reads, userId, roomNids) => {
  if (roomNids.length === 0) return []
  return asked(reads, (tables) =>
    receiptsOf(tables, (receipt) => receipt.userId === userId && roomNids.includes(receipt.roomNid)),
  )
}

function eventsIn(tables: Tables, range: real.RoomRange): LogRecord[] {
  return roomLog(tables, range).filter(({ kind }) => kind === logKinds.event)
}

async function byRoom<R extends real.RoomRange>(
  reads: Parameters<typeof real.readFacts>[0],
  ranges: readonly R[],
  pick: (tables: Tables, range: R) => readonly LogRecord[],
  options: { readonly withEvent: boolean },
): Promise<Map<number, LogEntry[]>> {
  if (ranges.length === 0) return new Map()
  return asked(reads, (tables) => {
    const rooms = new Map<number, LogEntry[]>()
    for (const range of ranges) {
      const entries = pick(tables, range).flatMap((row) => entryOfRecord(tables, row, options) ?? [])
      if (entries.length > 0) rooms.set(range.roomNid, entries)
    }
    return rooms
  })
}

function visibilityOf(tables: Tables, roomNid: number): [number, real.VisibilityChange[]][] {
  const changes = (tables.byRoom.get(roomNid) ?? []).flatMap((row) => {
    const event = row.eventNid === null ? undefined : tables.events.get(row.eventNid)
    if (event?.['type'] !== 'm.room.history_visibility' || event['state_key'] !== '') return []
    const json: unknown = JSON.parse(String(event['json']))
    const content: JsonObject = (isJsonObject(json) && objectField(json, 'content')) || {}
    return [{ pos: row.pos, value: historyVisibilityOf(content) }]
  })
  return changes.length === 0 ? [] : [[roomNid, changes]]
}
