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
  const end = descend(source, { key, packed: packKey(key), at: root, depth: 0 })
  if (typeof end === 'object') throw new MissingNodes([end.at])
  return end
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
  return runLoaded(diffSteps(source, before, after))
}

/**
 * A walk through tries in small steps, for a caller that must not be kept long. After each step it yields the nodes that have to be loaded
 * before it is resumed, which mostly are none; they are those of a whole level.
 */
export type TrieWalk<T> = Generator<readonly NodeId[], T, undefined>

/** What a walk yields when it only pauses. */
export const nothingMissing: readonly NodeId[] = []

/** The result of a walk for which all is in memory. Throws MissingNodes with the nodes that it asks for first. */
export function runLoaded<T>(walk: TrieWalk<T>): T {
  for (;;) {
    const step = walk.next()
    if (step.done === true) return step.value
    if (step.value.length > 0) throw new MissingNodes(step.value)
  }
}

/** `trieDiff` as a walk. The differences are in ascending order if nothing had to be loaded. */
export function* diffSteps(source: NodeSource, before: NodeId, after: NodeId): TrieWalk<StateDifference[]> {
  const found: StateDifference[] = []
  yield* walk([{ before, after, depth: 0 }], (pair: Pair, missing, pending) => {
    const left = openSide(source, pair.before, missing)
    const right = openSide(source, pair.after, missing)
    if (left === undefined || right === undefined) return pair
    if (typeof left === 'string' || typeof right === 'string')
      pending.push(...childPairs(left, right, pair.depth))
    else diffEntries(found, left, right)
    return undefined
  })
  return found
}

/**
 * Takes the last of what is to be visited, again and again, with a pause after each. `visit` may add to it, and returns what can only be
 * gone on with when the nodes are there that it has added to `missing`: that waits until there is nothing else.
 */
function* walk<T>(
  pending: T[],
  visit: (item: T, missing: Set<NodeId>, pending: T[]) => T | undefined,
): TrieWalk<void> {
  const missing = new Set<NodeId>()
  let waiting: T[] = []
  for (;;) {
    const item = pending.pop()
    if (item === undefined) {
      if (waiting.length === 0) return
      yield [...missing]
      missing.clear()
      pending.push(...waiting)
      waiting = []
      continue
    }
    const rest = visit(item, missing, pending)
    if (rest !== undefined) waiting.push(rest)
    yield nothingMissing
  }
}

/** A subtree of a state: a node by its id, or those entries of a larger bucket that belong there. */
type Side = NodeId | readonly string[]

interface Pair {
  readonly before: Side
  readonly after: Side
  readonly depth: number
}

/** The bytes of a branch, or the packed entries of what is none; undefined, and noted in `missing`, if it is not in memory. */
function openSide(
  source: NodeSource,
  side: Side,
  missing: Set<NodeId>,
): string | readonly string[] | undefined {
  if (typeof side !== 'string') return side
  const node = peekNode(source, side)
  if (node === undefined) missing.add(side)
  else return isBranch(node) ? node.data : bucketEntries(node.data)
  return undefined
}

/** The pairs of subtrees that differ, the last one first. */
function childPairs(
  left: string | readonly string[],
  right: string | readonly string[],
  depth: number,
): Pair[] {
  const pairs: Pair[] = []
  for (let nibble = 15; nibble >= 0; nibble--) {
    const before = childSide(left, nibble, depth)
    const after = childSide(right, nibble, depth)
    if (before !== after) pairs.push({ before, after, depth: depth + 1 })
  }
  return pairs
}

function childSide(side: string | readonly string[], nibble: number, depth: number): Side {
  if (typeof side === 'string') return branchChild(side, nibble) ?? emptyRoot
  const entries = side.filter((entry) => nibbleAt(entry, depth) === nibble)
  return entries.length === 0 ? emptyRoot : entries
}

function diffEntries(found: StateDifference[], before: readonly string[], after: readonly string[]): void {
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
    found.push({
      key,
      ...(order <= 0 && a !== undefined ? { before: entryNumber(a) } : {}),
      ...(order >= 0 && b !== undefined ? { after: entryNumber(b) } : {}),
    })
  }
}

/** The event numbers under these keys as a walk; keys that are not set are not in the result. */
export function* lookupSteps(
  source: NodeSource,
  root: NodeId,
  keys: Iterable<KeyHash>,
): TrieWalk<Map<KeyHash, number>> {
  const found = new Map<KeyHash, number>()
  const lookups = Array.from(keys, (key): Lookup => ({ key, packed: packKey(key), at: root, depth: 0 }))
  yield* walk(lookups, (lookup: Lookup, missing) => {
    const end = descend(source, lookup)
    if (typeof end === 'number') found.set(lookup.key, end)
    else if (end !== undefined) {
      missing.add(end.at)
      return end
    }
    return undefined
  })
  return found
}

interface Lookup {
  readonly key: KeyHash
  readonly packed: string
  readonly at: NodeId
  readonly depth: number
}

/** The number under a key, undefined if it is not set, or how far the lookup comes without a node that is not in memory. */
function descend(source: NodeSource, { key, packed, at, depth }: Lookup): number | Lookup | undefined {
  let id: NodeId | undefined = at
  for (let level = depth; id !== undefined; level++) {
    const node = peekNode(source, id)
    if (node === undefined) return { key, packed, at: id, depth: level }
    if (!isBranch(node)) return bucketGet(node.data, packed)
    id = branchChild(node.data, nibbleAt(packed, level))
  }
  return undefined
}

/** The packed entries below a node by ascending key; what is not in memory is noted in `walk.missing` and left out. */
export function collectEntries(walk: CollectWalk, node: TrieNode): string[] {
  if (!isBranch(node)) return bucketEntries(node.data)
  return branchChildren(node.data).flatMap((id) => {
    if (id === undefined) return []
    const child = peekNode(walk.source, id)
    if (child !== undefined) return collectEntries(walk, child)
    walk.missing.add(id)
    return []
  })
}

interface CollectWalk {
  readonly source: NodeSource
  readonly missing: Set<NodeId>
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
