/**
 * `node --expose-gc protocol-heap.ts ENTRIES`: prints how many bytes of heap one entry of a state of this size takes, its nodes read from their
 * stored form into the map in which a room holds them.
 */

import { stateOf } from './protocol-trie.ts'
import { decodeNode, encodeNode, type NodeId, type TrieNode } from '#protocol/state/trie-node.ts'

const entries = Number(process.argv[2])

function heapBytes(): number {
  if (globalThis.gc === undefined) throw new Error('Start this with --expose-gc.')
  // What the first collection frees can let the second one free more.
  for (let i = 0; i < 3; i++) globalThis.gc()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** Stored nodes; in a function of its own, so that nothing holds the state that they were made from. */
function storedNodes(): readonly (readonly [NodeId, Uint8Array])[] {
  return [...stateOf(entries).nodes.values()].map((node) => [node.id, encodeNode(node)] as const)
}

function bytesToLoad(): number {
  const stored = storedNodes()
  const before = heapBytes()
  const loaded = new Map<NodeId, TrieNode>()
  for (const [id, bytes] of stored) {
    const node = decodeNode(id, bytes)
    loaded.set(node.id, node)
  }
  const after = heapBytes()
  if (loaded.size !== stored.length) throw new Error('Two nodes have one id.')
  return after - before
}

process.stdout.write(`${bytesToLoad() / entries}\n`)
