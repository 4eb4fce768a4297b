/** The rooms of a user, from the membership rows that carry his id: the truth of it (DESIGN.md §4). */

import type { RoomId } from '#protocol/ids/room-id.ts'
import type { UserId } from '#protocol/ids/user-id.ts'
import { membershipName, type Membership } from '../log-kinds.ts'
import type { Reads } from '../reads.ts'

export interface RoomOfUser {
  readonly roomId: RoomId
  readonly membership: Membership
  /** Where the row of his present membership stands. */
  readonly shard: number
  readonly pos: number
}

interface RoomRow {
  room_id: RoomId
  membership: number
  shard_id: number
  pos: number
}

/** Every room in which a user's membership has ever been set, with the present one. */
export async function readRoomsOfUser(reads: Reads, userId: UserId): Promise<RoomOfUser[]> {
  const rows = await reads.sql<RoomRow[]>`
    select r.room_id, m.membership, m.shard_id, m.pos
    from (
      select distinct on (shard_id, room_nid) room_nid, membership, shard_id, pos from log
      where user_id = ${userId} and room_nid is not null and membership is not null
      order by shard_id, room_nid, pos desc
    ) m join room r using (room_nid)`
  return rows.flatMap(toRoom)
}

/** The user's present membership in one room, undefined where it has never been set. */
export async function readRoomOfUser(
  reads: Reads,
  userId: UserId,
  roomId: RoomId,
): Promise<RoomOfUser | undefined> {
  const rows = await reads.sql<RoomRow[]>`
    select r.room_id, l.membership, l.shard_id, l.pos
    from room r join log l on l.room_nid = r.room_nid
    where r.room_id = ${roomId} and l.user_id = ${userId} and l.membership is not null
    order by l.pos desc limit 1`
  return rows.flatMap(toRoom)[0]
}

function toRoom(row: RoomRow): RoomOfUser[] {
  const membership = membershipName(row.membership)
  if (membership === undefined) return []
  return [{ roomId: row.room_id, membership, shard: row.shard_id, pos: row.pos }]
}
