/** Models `storage/rooms/membership.ts`. */

import type * as real from '#storage/rooms/membership.ts'
import { memberships, membershipName } from '#storage/log-kinds.ts'
import type { RoomId } from '#protocol/ids/room-id.ts'
import type { UserId } from '#protocol/ids/user-id.ts'
import { asked } from '../access.ts'
import { membersAt, roomOf } from '../rows.ts'
import type { Tables } from '../tables.ts'

export const membershipChanges: typeof real.membershipChanges = (reads, room, userId) =>
  asked(reads, (tables) =>
    (tables.byRoom.get(room.roomNid) ?? []).flatMap((row) => {
      const membership = row.userId === userId ? membershipName(row.membership) : undefined
      return membership === undefined ? [] : [{ pos: row.pos, membership }]
    }),
  )

export const joinedAmong: typeof real.joinedAmong = async (reads, userId, roomIds) => {
  const joined = roomIds.length === 0 ? [] : await joinedRooms(reads, userId)
  return joined.filter((roomId) => roomIds.includes(roomId))
}

export const joinedRooms: typeof real.joinedRooms = (reads, userId) =>
  asked(reads, (tables) =>
    [...tables.byRoom.keys()].flatMap((roomNid) =>
      membershipIn(tables, roomNid, userId) === memberships.join
        ? [roomOf(tables, roomNid)?.['room_id'] as RoomId]
        : [],
    ),
  )

export const joinedOfServer: typeof real.joinedOfServer = (reads, room, options) =>
  asked(reads, (tables) =>
    membersAt(tables, room.roomNid, Number.POSITIVE_INFINITY)
      .filter((row) => row.membership === memberships.join)
      .toSorted((a, b) => a.pos - b.pos)
      .flatMap((row) => (row.userId?.endsWith(`:${options.server}`) === true ? [row.userId as UserId] : []))
      .slice(0, options.limit),
  )

function membershipIn(tables: Tables, roomNid: number, userId: string): number | null | undefined {
  return membersAt(tables, roomNid, Number.POSITIVE_INFINITY).find((row) => row.userId === userId)?.membership
}
