/** Where several states differ. Room version 2, "Unconflicted state map and conflicted state set". */
import { walkTrie, type Meter, type Resumable } from './resolution-source.ts'
import type { KeyHash, NodeId } from './trie-node.ts'
import { diffSteps } from './trie.ts'
import type { NodeSource } from './trie.ts'

/** The entries in which the states are not all the same: for each key its event number in each of the states. */
export type Conflict = ReadonlyMap<KeyHash, readonly (number | undefined)[]>

/** The conflict of these states, in time proportional to what differs from the first one. */
export function* findConflict(
  nodes: NodeSource,
  roots: readonly NodeId[],
  meter: Meter,
): Resumable<Conflict> {
  const conflict = new Map<KeyHash, (number | undefined)[]>()
  const [first, ...others] = roots
  if (first === undefined) throw new RangeError('There is no state to compare.')
  for (const [at, root] of others.entries()) {
    for (const { key, before, after } of yield* walkTrie(meter, diffSteps(nodes, first, root))) {
      // As long as a state is not known to differ in an entry, it has that of the first one.
      const values = conflict.getOrInsertComputed(key, () => roots.map(() => before))
      values[at + 1] = after
      if (meter.count(1)) yield { kind: 'breathe' }
    }
  }
  return conflict
}

/** The numbers of all events in the conflict, each once. */
export function* conflictedEvents(conflict: Conflict, meter: Meter): Resumable<Set<number>> {
  const numbers = new Set<number>()
  for (const values of conflict.values()) {
    for (const value of values) if (value !== undefined) numbers.add(value)
    if (meter.count(values.length)) yield { kind: 'breathe' }
  }
  return numbers
}
