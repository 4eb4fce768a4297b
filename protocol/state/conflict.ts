/** Where several states differ. Room version 2, "Unconflicted state map and conflicted state set". */
import type { KeyHash, NodeId } from './trie-node.ts'
import { MissingNodes, trieDiff } from './trie.ts'
import type { NodeSource } from './trie.ts'

/** The entries in which the states are not all the same: for each key its event number in each of the states. */
export type Conflict = ReadonlyMap<KeyHash, readonly (number | undefined)[]>

/**
 * The conflict of these states, in time proportional to what differs from the first one. Throws MissingNodes with the
 * nodes that all the comparisons need next.
 */
export function findConflict(nodes: NodeSource, roots: readonly NodeId[]): Conflict {
  const conflict = new Map<KeyHash, (number | undefined)[]>()
  const missing = new Set<NodeId>()
  const [first, ...others] = roots
  if (first === undefined) throw new RangeError('There is no state to compare.')
  for (const [at, root] of others.entries()) {
    for (const { key, before, after } of diffOrNote(nodes, [first, root], missing)) {
      // As long as a state is not known to differ in an entry, it has that of the first one.
      const values = conflict.getOrInsertComputed(key, () => roots.map(() => before))
      values[at + 1] = after
    }
  }
  if (missing.size > 0) throw new MissingNodes([...missing])
  return conflict
}

function diffOrNote(
  nodes: NodeSource,
  [before, after]: readonly [NodeId, NodeId],
  missing: Set<NodeId>,
): ReturnType<typeof trieDiff> {
  try {
    return trieDiff(nodes, before, after)
  } catch (error) {
    if (!(error instanceof MissingNodes)) throw error
    for (const id of error.ids) missing.add(id)
    return []
  }
}

/** The numbers of all events in the conflict, each once. */
export function conflictedEvents(conflict: Conflict): Set<number> {
  const numbers = new Set<number>()
  for (const values of conflict.values()) {
    for (const value of values) if (value !== undefined) numbers.add(value)
  }
  return numbers
}
