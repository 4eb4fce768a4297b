/** The state that rooms' logs carry. */

import {
  decodeNode,
  nodeIdFromBytes,
  nodeIdToBytes,
  type NodeId,
  type TrieNode,
} from '#protocol/state/trie-node.ts'
import type { Reads } from '../reads.ts'

export interface RoomAt {
  readonly roomNid: number
  readonly pos: number
}

/** Roots of the rooms' current states at these positions, in the same order; undefined where a room had none yet. */
export async function rootsAt(reads: Reads, rooms: readonly RoomAt[]): Promise<(NodeId | undefined)[]> {
  if (rooms.length === 0) return []
  const nids = rooms.map((room) => room.roomNid)
  const positions = rooms.map((room) => room.pos)
  const rows = await reads.sql<{ root: Buffer | null }[]>`
    select (
      select l.state_root from log l where l.room_nid = w.room_nid and l.pos <= w.pos and l.state_root is not null
      order by l.pos desc limit 1
    ) as root
    from unnest(${nids}::bigint[], ${positions}::bigint[]) with ordinality as w (room_nid, pos, n) order by w.n`
  return rows.map(({ root }) => (root ? nodeIdFromBytes(root) : undefined))
}

/** Root of the room's current state at the position. */
export async function rootAt(reads: Reads, roomNid: number, pos: number): Promise<NodeId | undefined> {
  return (await rootsAt(reads, [{ roomNid, pos }]))[0]
}

/** Root of the room's state when its first member had joined, or undefined for a room that nobody joined. */
export async function firstMemberRoot(reads: Reads, roomNid: number): Promise<NodeId | undefined> {
  const [row] = await reads.sql<{ root: Buffer }[]>`
    select state_root as root from log
    where room_nid = ${roomNid} and membership is not null and state_root is not null order by pos limit 1`
  return row && nodeIdFromBytes(row.root)
}

/** Those of the state nodes that are stored, in no order. Throws RangeError for damaged ones. */
export async function readStateNodes(
  reads: Reads,
  roomNid: number,
  ids: readonly NodeId[],
): Promise<TrieNode[]> {
  if (ids.length === 0) return []
  const hex = ids.map((id) => Buffer.from(nodeIdToBytes(id)).toString('hex'))
  const rows = await reads.sql<{ id: Buffer; data: Buffer }[]>`
    select n.id, n.data from unnest(${hex}::text[]) as w (id)
    join state_node n on n.room_nid = ${roomNid} and n.id = decode(w.id, 'hex')`
  return rows.map((row) => decodeNode(nodeIdFromBytes(row.id), row.data))
}

/** A state node of one of many rooms. */
export interface NodeKey {
  readonly roomNid: number
  readonly id: NodeId
}

/** Those of the state nodes that are stored, whatever rooms they belong to, by the key objects given. Throws RangeError for damaged ones. */
export async function readNodesOfRooms(
  reads: Reads,
  keys: readonly NodeKey[],
): Promise<Map<NodeKey, TrieNode>> {
  const rooms = keys.map((key) => key.roomNid)
  const ids = keys.map((key) => Buffer.from(nodeIdToBytes(key.id)).toString('hex'))
  const rows = await reads.sql<{ n: number; id: Uint8Array; data: Uint8Array }[]>`
    select k.n, s.id, s.data from unnest(${rooms}::bigint[], ${ids}::text[]) with ordinality as k(nid, id, n)
    join state_node s on s.room_nid = k.nid and s.id = decode(k.id, 'hex')`
  const nodes = new Map<NodeKey, TrieNode>()
  for (const row of rows) {
    const key = keys[row.n - 1]
    if (key !== undefined) nodes.set(key, decodeNode(nodeIdFromBytes(row.id), row.data))
  }
  return nodes
}
