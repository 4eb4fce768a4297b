/** A room by its id, and where it stands. */

import { parseJson } from '#protocol/json/parse.ts'
import type { RoomId } from '#protocol/ids/room-id.ts'
import { nodeIdFromBytes, type NodeId } from '#protocol/state/trie-node.ts'
import type { Reads } from '../reads.ts'

export interface StandingRoom {
  readonly roomNid: number
  readonly roomId: RoomId
  readonly shard: number
  readonly version: string
  /** Position of the last row that carries the room's state. */
  readonly head: number
  /** Root of the current state. */
  readonly root: NodeId
}

interface StandingRow {
  readonly room_nid: number
  readonly shard_id: number
  readonly version: string
  readonly pos: number
  readonly state_root: Uint8Array
}

/** A room of this server and its current state, or undefined. */
export async function roomById(reads: Reads, roomId: RoomId): Promise<StandingRoom | undefined> {
  const [row] = await reads.sql<StandingRow[]>`
    select r.room_nid, r.shard_id, r.version, l.pos, l.state_root
    from room r cross join lateral (
      select pos, state_root from log where room_nid = r.room_nid and state_root is not null
      order by pos desc limit 1
    ) l
    where r.room_id = ${roomId}`
  if (row === undefined) return undefined
  return {
    roomId,
    roomNid: row.room_nid,
    shard: row.shard_id,
    version: row.version,
    head: row.pos,
    root: nodeIdFromBytes(row.state_root),
  }
}

/** Up to which position of the room's log a user has forgotten it; 0 if he has not. */
export async function forgottenUpTo(
  reads: Reads,
  user: { readonly userId: string; readonly shard: number },
  roomId: RoomId,
): Promise<number> {
  const rows = await reads.sql<{ body: string }[]>`
    select body from log
    where user_id = ${user.userId} and shard_id = ${user.shard} and kind = 25 and body is not null`
  let upTo = 0
  for (const row of rows) {
    // The cast states what rows of this kind hold, see `log-kinds.ts`.
    const forget = parseJson(row.body) as { roomId: string; pos: number }
    if (forget.roomId === roomId) upTo = Math.max(upTo, forget.pos)
  }
  return upTo
}
