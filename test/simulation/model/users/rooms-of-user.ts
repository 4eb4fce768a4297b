/** Models `storage/users/rooms-of-user.ts`. */

import type * as real from '#storage/users/rooms-of-user.ts'
import { membershipName } from '#storage/log-kinds.ts'
import { asked } from '../access.ts'
import { roomOf } from '../rows.ts'
import type { LogRecord, Tables } from '../tables.ts'

export const readRoomsOfUser: typeof real.readRoomsOfUser = (reads, userId) =>
  asked(reads, (tables) => lastMemberships(tables, userId).flatMap((row) => toRoom(tables, row)))

export const readRoomOfUser: typeof real.readRoomOfUser = (reads, userId, roomId) =>
  asked(reads, (tables) =>
    lastMemberships(tables, userId)
      .flatMap((row) => toRoom(tables, row))
      .find((room) => room.roomId === roomId),
  )

function lastMemberships(tables: Tables, userId: string): LogRecord[] {
  const last = new Map<number, LogRecord>()
  for (const row of tables.byUser.get(userId) ?? [])
    if (row.roomNid !== null && row.membership !== null) last.set(row.roomNid, row)
  return [...last.values()]
}

function toRoom(tables: Tables, row: LogRecord): real.RoomOfUser[] {
  const membership = membershipName(row.membership)
  const roomId = roomOf(tables, row.roomNid)?.['room_id']
  if (membership === undefined || roomId === undefined) return []
  // The cast states what the column holds.
  return [{ roomId: roomId as real.RoomOfUser['roomId'], membership, shard: row.shard, pos: row.pos }]
}
