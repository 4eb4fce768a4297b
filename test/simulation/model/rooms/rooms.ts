/** Models `storage/rooms/rooms.ts`. */

import type * as real from '#storage/rooms/rooms.ts'
import { decodeNode, type NodeId } from '#protocol/state/trie-node.ts'
import { asked } from '../access.ts'
import { lastOf, roomLog } from '../rows.ts'
import type { Tables } from '../tables.ts'

export const rootsAt: typeof real.rootsAt = async (reads, rooms) =>
  rooms.length === 0
    ? []
    : asked(reads, (tables) => rooms.map((room) => rootOf(tables, room.roomNid, room.pos)))

export const rootAt: typeof real.rootAt = async (reads, roomNid, pos) =>
  (await rootsAt(reads, [{ roomNid, pos }]))[0]

export const firstMemberRoot: typeof real.firstMemberRoot = (reads, roomNid) =>
  asked(reads, (tables) => {
    const first = roomLog(tables, { roomNid }).find(
      (row) => row.membership !== null && row.stateRoot !== null,
    )
    return rootText(first?.stateRoot)
  })

export const readStateNodes: typeof real.readStateNodes = async (reads, roomNid, ids) =>
  ids.length === 0
    ? []
    : asked(reads, (tables) => [...new Set(ids)].flatMap((id) => nodeOf(tables, roomNid, id) ?? []))

export const readNodesOfRooms: typeof real.readNodesOfRooms = (reads, keys) =>
  asked(reads, (tables) => {
    const found: Awaited<ReturnType<typeof real.readNodesOfRooms>> = new Map()
    for (const key of keys) {
      const node = nodeOf(tables, key.roomNid, key.id)
      if (node !== undefined) found.set(key, node)
    }
    return found
  })

function nodeOf(tables: Tables, roomNid: number, id: NodeId): ReturnType<typeof decodeNode> | undefined {
  const row = tables.get('state_node', roomNid, Buffer.from(id, 'base64url').toString('base64'))
  return row && decodeNode(id, Buffer.from(String(row['data']), 'base64'))
}

function rootOf(tables: Tables, roomNid: number, pos: number): NodeId | undefined {
  return rootText(lastOf(roomLog(tables, { roomNid, upTo: pos }), (row) => row.stateRoot !== null)?.stateRoot)
}

function rootText(root: string | null | undefined): NodeId | undefined {
  // The cast states what the column holds.
  return (root ?? undefined) as NodeId | undefined
}
