/**
 * Changing the state trie. Nothing is overwritten: a change gives a new root and the nodes that it needed, which are
 * those on the path of each changed entry. The caller keeps them where its `NodeSource` finds them.
 */
import { branchNode, bucketEntries, bucketLimit, bucketNode, entryKey } from './trie-node.ts'
import { isBranch, nibbleAt, packedChildren, packEntry, packId, packKey, unpackId } from './trie-node.ts'
import type { KeyHash, NodeId, TrieNode } from './trie-node.ts'
import {
  collectEntries,
  compare,
  emptyRoot,
  nodeEntryCount,
  nothingMissing,
  peekNode,
  runLoaded,
} from './trie.ts'
import type { NodeSource, TrieWalk } from './trie.ts'

/** A new state, and the nodes of it that the change made. None when nothing changed. */
export interface TrieUpdate {
  readonly root: NodeId
  readonly created: readonly TrieNode[]
}

/** The state with one entry set. Throws MissingNodes, and RangeError for what is no event number. */
export function trieSet(source: NodeSource, root: NodeId, key: KeyHash, eventNumber: number): TrieUpdate {
  return trieUpdate(source, root, [[key, eventNumber]])
}

/** The state with these entries set; of several with one key the last holds. Throws as `trieSet` does. */
export function trieSetMany(
  source: NodeSource,
  root: NodeId,
  entries: Iterable<readonly [KeyHash, number]>,
): TrieUpdate {
  return trieUpdate(source, root, entries)
}

/** The state without the entry under this key: the same state when there is none. Throws MissingNodes. */
export function trieDelete(source: NodeSource, root: NodeId, key: KeyHash): TrieUpdate {
  return trieUpdate(source, root, [[key, undefined]])
}

/** Changes of a state's entries, where a key without a number is deleted. Of several with one key the last holds. */
export type StateChanges = Iterable<readonly [KeyHash, number | undefined]>

/**
 * The state after all these changes at once. Throws MissingNodes with all nodes of the next level that it needs, and RangeError for
 * what is no event number.
 */
export function trieUpdate(source: NodeSource, root: NodeId, changes: StateChanges): TrieUpdate {
  return runLoaded(updateSteps(source, root, changes))
}

/** `trieUpdate` as a walk, for changes of which there may be many. Throws RangeError for what is no event number. */
export function* updateSteps(source: NodeSource, root: NodeId, changes: StateChanges): TrieWalk<TrieUpdate> {
  const packed = yield* packChanges(changes)
  for (;;) {
    const work: Work = { source, missing: new Set(), created: [] }
    const result = yield* change(work, root, { depth: 0, changes: packed })
    if (result !== undefined && work.missing.size === 0) {
      return { root: store(work, result), created: work.created }
    }
    yield [...work.missing]
  }
}

interface Change {
  readonly key: string
  readonly entry: string | undefined
}

interface Work {
  readonly source: NodeSource
  readonly missing: Set<NodeId>
  readonly created: TrieNode[]
}

/** The changes below one place of the trie, in any order. */
interface Task {
  readonly depth: number
  readonly changes: readonly Change[]
}

/**
 * A subtree: one that is a node already, or so few entries that whoever is above decides whether they become a bucket
 * or go into his own.
 */
type Subtree =
  | { readonly kind: 'node'; readonly id: NodeId; readonly size: number }
  | { readonly kind: 'entries'; readonly entries: readonly string[] }

/** How many changes one step reads, and how many it makes among entries. */
const packedPerStep = 8
const mergedPerStep = 64

function* packChanges(changes: StateChanges): TrieWalk<readonly Change[]> {
  const latest = new Map<string, Change>()
  let count = 0
  for (const [hash, eventNumber] of changes) {
    const key = packKey(hash)
    latest.set(key, { key, entry: eventNumber === undefined ? undefined : packEntry(key, eventNumber) })
    if (++count % packedPerStep === 0) yield nothingMissing
  }
  return [...latest.values()]
}

/** The changed subtree; undefined when nodes are missing, which then stand in `work.missing`. */
function* change(work: Work, id: NodeId, task: Task): TrieWalk<Subtree | undefined> {
  const node = peekNode(work.source, id)
  if (node === undefined) {
    work.missing.add(id)
    return undefined
  }
  if (isBranch(node)) return yield* changeBranch(work, node, task)
  const result = yield* changeEntries(work, bucketEntries(node.data), task)
  return result ?? unchanged(node)
}

function* changeBranch(work: Work, node: TrieNode, task: Task): TrieWalk<Subtree | undefined> {
  const children = packedChildren(node.data)
  const results: (Subtree | undefined)[] = []
  let size = nodeEntryCount(node)
  let same = true
  for (const [nibble, changes] of split(task.changes, (item) => nibbleAt(item.key, task.depth))) {
    const packed = children[nibble]
    const child = packed === undefined ? emptyRoot : unpackId(packed)
    const result = yield* change(work, child, { depth: task.depth + 1, changes })
    if (result === undefined) continue
    if (result.kind === 'node' && result.id === child) continue
    same = false
    results[nibble] = result
    const before = peekNode(work.source, child)
    size += sizeOf(result) - (before === undefined ? 0 : nodeEntryCount(before))
  }
  if (work.missing.size > 0) return undefined
  if (same) return unchanged(node)
  if (size <= bucketLimit) return collapse(work, children, results)
  const ids = children.map((child, nibble) => {
    const result = results[nibble]
    if (result === undefined) return child
    return sizeOf(result) === 0 ? undefined : packId(store(work, result))
  })
  yield nothingMissing
  return createBranch(work, ids, size)
}

/** A branch that has become too small is what its children hold, the changed ones as they are now. */
function collapse(
  work: Work,
  children: readonly (string | undefined)[],
  results: readonly (Subtree | undefined)[],
): Subtree | undefined {
  const entries = children.flatMap((child, nibble) => {
    const result = results[nibble]
    if (result?.kind === 'entries') return result.entries
    if (child === undefined) return []
    const id = result?.id ?? unpackId(child)
    const node = peekNode(work.source, id)
    if (node !== undefined) return collectEntries(work, node)
    work.missing.add(id)
    return []
  })
  return work.missing.size > 0 ? undefined : { kind: 'entries', entries }
}

/** What the changes make of these entries, which stand in one bucket or in none; undefined when they change nothing. */
function* changeEntries(
  work: Work,
  entries: readonly string[],
  { depth, changes }: Task,
): TrieWalk<Subtree | undefined> {
  if (changes.length <= mergedPerStep) {
    const merged = mergeEntries(
      entries,
      changes.toSorted((a, b) => compare(a.key, b.key)),
    )
    yield nothingMissing
    return merged && build(work, merged, depth)
  }
  const parts: Subtree[] = Array.from({ length: 16 }, () => noEntries)
  for (const [nibble, part] of split(entries, (entry) => nibbleAt(entry, depth))) {
    parts[nibble] = { kind: 'entries', entries: part }
  }
  let same = true
  for (const [nibble, part] of split(changes, (item) => nibbleAt(item.key, depth))) {
    const before = entriesOf(parts[nibble])
    const result = yield* changeEntries(work, before, { depth: depth + 1, changes: part })
    if (result === undefined) continue
    parts[nibble] = result
    same = false
  }
  return same ? undefined : joinParts(work, parts)
}

const noEntries: Subtree = { kind: 'entries', entries: [] }

/** The entries of a subtree that is no node. */
function entriesOf(subtree: Subtree | undefined): readonly string[] {
  return subtree?.kind === 'entries' ? subtree.entries : []
}

/** The subtree of these parts, one for each value of four bits. */
function joinParts(work: Work, parts: readonly Subtree[]): Subtree {
  const size = parts.reduce((sum, part) => sum + sizeOf(part), 0)
  if (size <= bucketLimit) return { kind: 'entries', entries: parts.flatMap(entriesOf) }
  const ids = parts.map((part) => (sizeOf(part) === 0 ? undefined : packId(store(work, part))))
  return createBranch(work, ids, size)
}
/** The subtree of these entries, sorted by key, with nothing beside them. */
function build(work: Work, entries: readonly string[], depth: number): Subtree {
  if (entries.length <= bucketLimit) return { kind: 'entries', entries }
  const parts: Subtree[] = Array.from({ length: 16 }, () => noEntries)
  for (const [nibble, part] of split(entries, (entry) => nibbleAt(entry, depth))) {
    parts[nibble] = build(work, part, depth + 1)
  }
  return joinParts(work, parts)
}

function createBranch(work: Work, ids: readonly (string | undefined)[], size: number): Subtree {
  const branch = branchNode(size, ids)
  work.created.push(branch)
  return { kind: 'node', id: branch.id, size }
}

function store(work: Work, subtree: Subtree): NodeId {
  if (subtree.kind === 'node') return subtree.id
  if (subtree.entries.length === 0) return emptyRoot
  const node = bucketNode(subtree.entries)
  work.created.push(node)
  return node.id
}

function unchanged(node: TrieNode): Subtree {
  return { kind: 'node', id: node.id, size: nodeEntryCount(node) }
}

function sizeOf(subtree: Subtree): number {
  return subtree.kind === 'node' ? subtree.size : subtree.entries.length
}

/** The sorted entries after the sorted changes; undefined when they change nothing. */
function mergeEntries(entries: readonly string[], changes: readonly Change[]): string[] | undefined {
  const merged: string[] = []
  let same = true
  let at = 0
  for (const { key, entry } of changes) {
    let existing = entries[at]
    while (existing !== undefined && entryKey(existing) < key) {
      merged.push(existing)
      existing = entries[++at]
    }
    const replaced = existing !== undefined && existing.startsWith(key) ? existing : undefined
    if (replaced !== undefined) at++
    if (entry !== replaced) same = false
    if (entry !== undefined) merged.push(entry)
  }
  merged.push(...entries.slice(at))
  return same ? undefined : merged
}

/** The items by their nibble, in their order, for each nibble that occurs. */
function split<T>(
  items: readonly T[],
  nibbleOf: (item: T) => number,
): Iterable<[nibble: number, items: T[]]> {
  const groups = new Map<number, T[]>()
  for (const item of items) {
    const nibble = nibbleOf(item)
    const group = groups.get(nibble)
    if (group === undefined) groups.set(nibble, [item])
    else group.push(item)
  }
  return groups
}
