/** What a room's actor needs to begin: where the room stands, and its newest events. */

import type { EventId } from '#protocol/ids/event-id.ts'
import type { RoomId } from '#protocol/ids/room-id.ts'
import { nodeIdFromBytes, type NodeId } from '#protocol/state/trie-node.ts'
import type { Reads } from '../reads.ts'

export interface RoomStanding {
  readonly roomNid: number
  readonly version: string
  /** Root of the current state. */
  readonly root: NodeId
  /** Numbers of the forward extremities. */
  readonly tips: readonly number[]
  /** Mask of the shards of local members. */
  readonly userShards: bigint
}

interface StandingRow {
  readonly room_nid: number
  readonly version: string
  readonly state_root: Uint8Array
  readonly tips: number[] | null
  readonly event_nid: number
  readonly user_shards: string | null
}

/** Where a room stands, or undefined if it does not exist here. */
export async function roomStanding(reads: Reads, roomId: RoomId): Promise<RoomStanding | undefined> {
  const [row] = await reads.sql<StandingRow[]>`
    select r.room_nid, r.version, l.state_root, l.tips, l.event_nid, l.user_shards::text as user_shards
    from room r cross join lateral (
      select * from log where room_nid = r.room_nid and event_nid is not null and state_root is not null
      order by pos desc limit 1
    ) l
    where r.room_id = ${roomId}`
  if (row === undefined) return undefined
  return {
    roomNid: row.room_nid,
    version: row.version,
    root: nodeIdFromBytes(row.state_root),
    tips: row.tips ?? [row.event_nid],
    userShards: BigInt.asUintN(64, BigInt(row.user_shards ?? '0')),
  }
}

/** An event of the window that a room's actor keeps of its newest ones. */
export interface RecentEvent {
  readonly eventId: EventId
  readonly pos: number
  /** 22 characters of base64url, for a client's transaction. */
  readonly txnKey: string | undefined
}

/** The newest events of a room, oldest first. */
export async function recentEvents(reads: Reads, roomNid: number, limit: number): Promise<RecentEvent[]> {
  const rows = await reads.sql<{ event_id: EventId; pos: number; txn_key: Uint8Array | null }[]>`
    select e.event_id, l.pos, l.txn_key from log l join event e on e.event_nid = l.event_nid
    where l.room_nid = ${roomNid} and l.event_nid is not null order by l.pos desc limit ${limit}`
  return rows
    .map((row) => ({
      eventId: row.event_id,
      pos: row.pos,
      txnKey: row.txn_key === null ? undefined : Buffer.from(row.txn_key).toString('base64url'),
    }))
    .reverse()
}
