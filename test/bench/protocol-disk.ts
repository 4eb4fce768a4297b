/** What changes of the state take on the disk: the growth of the table of nodes in a real PostgreSQL. */

import { changesInRow, stateOf } from './protocol-trie.ts'
import { testDatabase } from '#test/support/postgres.ts'
import type { Database } from '#storage/pool.ts'
import { encodeNode, nodeIdToBytes, type TrieNode } from '#protocol/state/trie-node.ts'

/** Nodes that are stored at once, as a room's commits would store those of some changes. */
const changesPerCommit = 20

/** Bytes on disk per change, indexes included, the mean over this many changes in a state of this size. */
export async function diskBytesPerChange(entries: number, changes: number): Promise<number> {
  await using test = await testDatabase()
  const { database } = test
  const state = stateOf(entries)
  await store(database, [...state.nodes.values()])
  const before = await tableBytes(database)
  let waiting: TrieNode[] = []
  let count = 0
  for (const created of changesInRow(state, changes)) {
    waiting.push(...created)
    if (++count % changesPerCommit !== 0) continue
    await store(database, waiting)
    waiting = []
  }
  await store(database, waiting)
  return ((await tableBytes(database)) - before) / changes
}

function store(database: Database, nodes: readonly TrieNode[]): Promise<void> {
  return database.bulk(
    nodes.map((node) => ({
      kind: 'state_node',
      row: {
        room_nid: 1,
        id: nodeIdToBytes(node.id).toBase64(),
        data: encodeNode(node).toBase64(),
      },
    })),
  )
}

async function tableBytes({ reads }: Database): Promise<number> {
  const [row] = await reads.sql<{ bytes: number }[]>`
    select pg_total_relation_size('state_node')::float8 as bytes`
  if (row === undefined) throw new Error('The table of state nodes is not there.')
  return row.bytes
}
