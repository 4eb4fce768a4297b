/**
 * Reading the state trie: lookup, walk, and the difference of two states. `trie-update.ts` changes it, `trie-node.ts`
 * says what a node is.
 *
 * All functions are synchronous and see only the nodes that their caller has in memory. One that needs others throws
 * `MissingNodes` with as many of their names as it can tell; the caller loads those and calls again. A trie of a million
 * entries is five levels deep, so that takes few rounds.
 */
import {
  branchChild,
  branchChildren,
  branchSize,
  bucketEntries,
  bucketGet,
  bucketNode,
  entryKey,
  entryNumber,
  isBranch,
  nibbleAt,
  packKey,
  unpackKey,
} from './trie-node.ts'
import type { KeyHash, NodeId, TrieNode } from './trie-node.ts'

const emptyNode = bucketNode([])

/** The root of the state in which nothing is set. No source needs to hold its node. */
export const emptyRoot: NodeId = emptyNode.id

/** The nodes that are in memory; a Map is one. */
export interface NodeSource {
  get(id: NodeId): TrieNode | undefined
}

/** Nodes that an operation needs and its source does not hold. Load them and repeat the call. */
export class MissingNodes extends Error {
  override readonly name = 'MissingNodes'
  readonly ids: readonly NodeId[]

  constructor(ids: readonly NodeId[]) {
    super(`${ids.length} state nodes are not in memory, ${ids[0]} among them.`)
    this.ids = ids
  }
}

/** One entry in which two states differ. An absent side means that the entry is not set there. */
export interface StateDifference {
  readonly key: KeyHash
  readonly before?: number
  readonly after?: number
}

/** The event number under a key. Throws MissingNodes. */
export function trieGet(source: NodeSource, root: NodeId, key: KeyHash): number | undefined {
  const packed = packKey(key)
  let node = loadNode(source, root)
  for (let depth = 0; isBranch(node); depth++) {
    const child = branchChild(node.data, nibbleAt(packed, depth))
    if (child === undefined) return undefined
    node = loadNode(source, child)
  }
  return bucketGet(node.data, packed)
}

/** How many entries a state has. Throws MissingNodes when the root is not there. */
export function trieSize(source: NodeSource, root: NodeId): number {
  return nodeEntryCount(loadNode(source, root))
}

/**
 * All entries of a state by ascending key. Throws MissingNodes, naming one node, when it comes to one that is not
 * there: load the whole state by `trieMissing` first.
 */
export function* trieEntries(
  source: NodeSource,
  root: NodeId,
): IterableIterator<[key: KeyHash, eventNumber: number]> {
  const node = loadNode(source, root)
  if (!isBranch(node)) {
    for (const entry of bucketEntries(node.data)) yield [unpackKey(entry), entryNumber(entry)]
    return
  }
  for (const child of branchChildren(node.data)) if (child !== undefined) yield* trieEntries(source, child)
}

/**
 * The nodes of a state that are not in memory though the node above them is. Empty when the whole state is there;
 * otherwise load them and ask again, once per level.
 */
export function trieMissing(source: NodeSource, root: NodeId): NodeId[] {
  const missing = new Set<NodeId>()
  const pending = [root]
  for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
    const node = peekNode(source, id)
    if (node === undefined) missing.add(id)
    else if (isBranch(node))
      for (const child of branchChildren(node.data)) if (child !== undefined) pending.push(child)
  }
  return [...missing]
}

/**
 * The entries in which state `after` differs from state `before`, by ascending key, in time proportional to their
 * number (times the depth). Throws MissingNodes with all nodes of the next level that it needs.
 */
export function trieDiff(source: NodeSource, before: NodeId, after: NodeId): StateDifference[] {
  const walk: DiffWalk = { source, missing: new Set(), found: [] }
  diffNodes(walk, before, after)
  if (walk.missing.size > 0) throw new MissingNodes([...walk.missing])
  return walk.found
}

interface DiffWalk {
  readonly source: NodeSource
  readonly missing: Set<NodeId>
  readonly found: StateDifference[]
}

function diffNodes(walk: DiffWalk, beforeId: NodeId, afterId: NodeId): void {
  if (beforeId === afterId) return
  const before = peekNode(walk.source, beforeId)
  const after = peekNode(walk.source, afterId)
  if (before === undefined) walk.missing.add(beforeId)
  if (after === undefined) walk.missing.add(afterId)
  if (before === undefined || after === undefined) return
  if (isBranch(before) && isBranch(after)) {
    for (let nibble = 0; nibble < 16; nibble++) {
      const left = branchChild(before.data, nibble) ?? emptyRoot
      diffNodes(walk, left, branchChild(after.data, nibble) ?? emptyRoot)
    }
    return
  }
  // One of the two has at most 32 entries, so that nearly all of what the other has is difference.
  diffEntries(walk, collectEntries(walk, before), collectEntries(walk, after))
}

function diffEntries(walk: DiffWalk, before: readonly string[], after: readonly string[]): void {
  let left = 0
  let right = 0
  while (left < before.length || right < after.length) {
    const a = before[left]
    const b = after[right]
    const order = a === undefined ? 1 : b === undefined ? -1 : compare(entryKey(a), entryKey(b))
    if (order <= 0) left++
    if (order >= 0) right++
    if (a === b) continue
    const key = unpackKey(order <= 0 && a !== undefined ? a : (b ?? ''))
    walk.found.push({
      key,
      ...(order <= 0 && a !== undefined ? { before: entryNumber(a) } : {}),
      ...(order >= 0 && b !== undefined ? { after: entryNumber(b) } : {}),
    })
  }
}

/** The packed entries below a node by ascending key; what is not in memory is noted in `walk.missing` and left out. */
export function collectEntries(walk: Omit<DiffWalk, 'found'>, node: TrieNode): string[] {
  if (!isBranch(node)) return bucketEntries(node.data)
  return branchChildren(node.data).flatMap((id) => {
    if (id === undefined) return []
    const child = peekNode(walk.source, id)
    if (child !== undefined) return collectEntries(walk, child)
    walk.missing.add(id)
    return []
  })
}

/** The number of entries at and below a node. */
export function nodeEntryCount(node: TrieNode): number {
  return isBranch(node) ? branchSize(node.data) : node.data.charCodeAt(1)
}

/** The node, if it is in memory; the empty one always is. */
export function peekNode(source: NodeSource, id: NodeId): TrieNode | undefined {
  return id === emptyRoot ? emptyNode : source.get(id)
}

function loadNode(source: NodeSource, id: NodeId): TrieNode {
  const node = peekNode(source, id)
  if (node === undefined) throw new MissingNodes([id])
  return node
}

/** The order of packed keys, which is that of their bytes. */
export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
