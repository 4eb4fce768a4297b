/**
 * Changing the state trie. Nothing is overwritten: a change gives a new root and the nodes that it needed, which are
 * those on the path of each changed entry. The caller keeps them where its `NodeSource` finds them.
 */
import { branchNode, bucketEntries, bucketLimit, bucketNode, entryKey } from './trie-node.ts'
import { isBranch, nibbleAt, packedChildren, packEntry, packId, packKey, unpackId } from './trie-node.ts'
import type { KeyHash, NodeId, TrieNode } from './trie-node.ts'
import { collectEntries, compare, emptyRoot, MissingNodes, nodeEntryCount, peekNode } from './trie.ts'
import type { NodeSource } from './trie.ts'

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

/**
 * The state after all these changes at once, where a key without a number is deleted. Throws MissingNodes with all
 * nodes of the next level that it needs, and RangeError for what is no event number.
 */
export function trieUpdate(
  source: NodeSource,
  root: NodeId,
  changes: Iterable<readonly [KeyHash, number | undefined]>,
): TrieUpdate {
  const latest = new Map<string, Change>()
  for (const [hash, eventNumber] of changes) {
    const key = packKey(hash)
    latest.set(key, { key, entry: eventNumber === undefined ? undefined : packEntry(key, eventNumber) })
  }
  const sorted = [...latest.values()].sort((a, b) => compare(a.key, b.key))
  const work: Work = { source, missing: new Set(), created: [] }
  const result = change(work, root, { depth: 0, changes: sorted })
  if (work.missing.size > 0 || result === undefined) throw new MissingNodes([...work.missing])
  return { root: store(work, result), created: work.created }
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

/** The changed subtree; undefined when nodes are missing, which then stand in `work.missing`. */
function change(work: Work, id: NodeId, task: Task): Subtree | undefined {
  const node = peekNode(work.source, id)
  if (node === undefined) {
    work.missing.add(id)
    return undefined
  }
  if (isBranch(node)) return changeBranch(work, node, task)
  const entries = mergeEntries(bucketEntries(node.data), task.changes)
  return entries === undefined ? unchanged(node) : build(work, entries, task.depth)
}

function changeBranch(work: Work, node: TrieNode, task: Task): Subtree | undefined {
  const children = packedChildren(node.data)
  const results: (Subtree | undefined)[] = []
  let size = nodeEntryCount(node)
  let same = true
  for (const [nibble, changes] of split(task.changes, (item) => nibbleAt(item.key, task.depth))) {
    const packed = children[nibble]
    const child = packed === undefined ? emptyRoot : unpackId(packed)
    const result = change(work, child, { depth: task.depth + 1, changes })
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
  const branch = branchNode(size, ids)
  work.created.push(branch)
  return { kind: 'node', id: branch.id, size }
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

/** The subtree of these entries, sorted by key, with nothing beside them. */
function build(work: Work, entries: readonly string[], depth: number): Subtree {
  if (entries.length <= bucketLimit) return { kind: 'entries', entries }
  const ids: (string | undefined)[] = Array.from({ length: 16 }, () => undefined)
  for (const [nibble, part] of split(entries, (entry) => nibbleAt(entry, depth))) {
    ids[nibble] = packId(store(work, build(work, part, depth + 1)))
  }
  const branch = branchNode(entries.length, ids)
  work.created.push(branch)
  return { kind: 'node', id: branch.id, size: entries.length }
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

/** Runs of neighbours of one nibble. */
function split<T>(items: readonly T[], nibbleOf: (item: T) => number): [nibble: number, items: T[]][] {
  const runs: [number, T[]][] = []
  for (const item of items) {
    const nibble = nibbleOf(item)
    const last = runs.at(-1)
    if (last !== undefined && last[0] === nibble) last[1].push(item)
    else runs.push([nibble, [item]])
  }
  return runs
}
