/** Memberships as the rooms' logs tell them: the latest row of a user in a room is his membership there. */

import type { RoomId } from '#protocol/ids/room-id.ts'
import type { UserId } from '#protocol/ids/user-id.ts'
import { membershipName, memberships, type Membership } from '../log-kinds.ts'
import type { Reads } from '../reads.ts'

/** A room in which to look. */
export interface RoomPlace {
  readonly roomNid: number
  readonly shard: number
}

/** A change of a user's membership in one room. */
export interface MembershipChange {
  readonly pos: number
  readonly membership: Membership
}

/** All changes of a user's membership in a room, in the order of arrival. Profile changes of a member are among them. */
export async function membershipChanges(
  reads: Reads,
  room: RoomPlace,
  userId: string,
): Promise<MembershipChange[]> {
  const rows = await reads.sql<{ pos: number; membership: number }[]>`
    select pos, membership from log
    where user_id = ${userId} and shard_id = ${room.shard} and room_nid = ${room.roomNid} and membership is not null
    order by pos`
  return rows.flatMap((row) => {
    const membership = membershipName(row.membership)
    return membership === undefined ? [] : [{ pos: row.pos, membership }]
  })
}

/** Which of these rooms the user is joined to. Rooms that are not here are left out. */
export async function joinedAmong(
  reads: Reads,
  userId: string,
  roomIds: readonly RoomId[],
): Promise<RoomId[]> {
  if (roomIds.length === 0) return []
  const rows = await reads.sql<{ room_id: RoomId }[]>`
    select r.room_id from room r cross join lateral (
      select l.membership from log l
      where l.user_id = ${userId} and l.shard_id = r.shard_id and l.room_nid = r.room_nid and l.membership is not null
      order by l.pos desc limit 1
    ) m
    where r.room_id = any(${[...roomIds]}::text[]) and m.membership = ${memberships.join}`
  return rows.map((row) => row.room_id)
}

/** The rooms that the user is joined to. */
export async function joinedRooms(reads: Reads, userId: string): Promise<RoomId[]> {
  const rows = await reads.sql<{ room_id: RoomId }[]>`
    select r.room_id from (
      select distinct on (shard_id, room_nid) room_nid, membership from log
      where user_id = ${userId} and membership is not null
      order by shard_id, room_nid, pos desc
    ) m join room r on r.room_nid = m.room_nid
    where m.membership = ${memberships.join}`
  return rows.map((row) => row.room_id)
}

/** Users of a server who are joined to a room, at most `limit`; the longest-joined first. */
export async function joinedOfServer(
  reads: Reads,
  room: RoomPlace,
  options: { server: string; limit: number },
): Promise<UserId[]> {
  const rows = await reads.sql<{ user_id: UserId }[]>`
    select user_id from (
      select distinct on (user_id) user_id, membership, pos from log
      where room_nid = ${room.roomNid} and membership is not null
      order by user_id, pos desc
    ) m
    where m.membership = ${memberships.join} and split_part(user_id, ':', 2) = split_part(${options.server}, ':', 1)
      and right(user_id, ${options.server.length + 1}) = ${`:${options.server}`}
    order by m.pos limit ${options.limit}`
  return rows.map((row) => row.user_id)
}
