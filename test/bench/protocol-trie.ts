/** What the state trie costs: memory, time of a change, bytes of a change. */

import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { ratesPerSecond } from './own-time.ts'
import {
  nodeSizeBytes,
  stateKeyHash,
  type KeyHash,
  type NodeId,
  type TrieNode,
} from '#protocol/state/trie-node.ts'
import { trieSet, trieSetMany } from '#protocol/state/trie-update.ts'
import { emptyRoot, trieSize } from '#protocol/state/trie.ts'

/** A state with its nodes. */
export interface StoredState {
  readonly nodes: Map<NodeId, TrieNode>
  readonly root: NodeId
}

/** The key under which a member stands. */
export function memberKey(at: number): KeyHash {
  return stateKeyHash('m.room.member', `@user${at}:example.org`)
}

/** A state of this many memberships, by event numbers from 1 on. */
export function stateOf(entries: number): StoredState {
  const nodes = new Map<NodeId, TrieNode>()
  const all = Array.from({ length: entries }, (_, at) => [memberKey(at), at + 1] as const)
  const { root, created } = trieSetMany(nodes, emptyRoot, all)
  for (const node of created) nodes.set(node.id, node)
  return { nodes, root }
}

/** Microseconds of one state change in a state of this size. */
export function microsecondsPerChange(entries: number): number {
  const { nodes, root } = stateOf(entries)
  let next = 0
  const piece = {
    operations: 100,
    run: () => {
      for (let i = 0; i < 100; i++) {
        next++
        trieSet(nodes, root, memberKey((next * 7919) % entries), entries + next)
      }
    },
  }
  const [rate = 0] = ratesPerSecond([piece])
  return 1e6 / rate
}

/** Bytes of encoded nodes that one change in a state of this size creates, the mean over this many changes in a row. */
export function bytesPerChange(entries: number, changes: number): number {
  let bytes = 0
  for (const created of changesInRow(stateOf(entries), changes)) {
    for (const node of created) bytes += nodeSizeBytes(node)
  }
  return bytes / changes
}

/** Bytes of heap per entry of a state of this size that is wholly in memory, measured in a process of its own. */
export function heapBytesPerEntry(entries: number): number {
  const script = fileURLToPath(new URL('./protocol-heap.ts', import.meta.url))
  return Number(
    execFileSync(process.execPath, ['--expose-gc', script, String(entries)], { encoding: 'utf8' }),
  )
}

/** What each of these changes, one after the other, creates; every member changes once before the first does again. */
export function* changesInRow(state: StoredState, changes: number): Iterable<readonly TrieNode[]> {
  const entries = trieSize(state.nodes, state.root)
  let { root } = state
  for (let at = 0; at < changes; at++) {
    const update = trieSet(state.nodes, root, memberKey((at * 7919) % entries), entries + at + 1)
    for (const node of update.created) state.nodes.set(node.id, node)
    root = update.root
    yield update.created
  }
}
