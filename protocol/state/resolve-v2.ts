/** State resolution of room versions 2 to 12: the steps in the order of the specification's "Algorithm". */
import { authDifference, type ComparedStates } from './auth-difference.ts'
import { conflictedEvents } from './conflict.ts'
import { conflictedSubgraph } from './conflicted-subgraph.ts'
import { iterativeAuthChecks, PartialState } from './iterative-auth.ts'
import { mainlineOrder } from './mainline.ts'
import { powerOrder, type ResolutionWork } from './power-order.ts'
import { loadedEvent, loadedEvents, settle } from './resolution-source.ts'
import type { ResolvableEvent, Resumable } from './resolution-source.ts'
import type { KeyHash } from './trie-node.ts'
import { trieGet } from './trie.ts'

/**
 * The entries that the conflict resolves to, by key, among them none that is unconflicted. A conflicted key that is not there is
 * not set in the resolution.
 */
export function* resolveV2(
  work: ResolutionWork,
  states: ComparedStates,
): Resumable<ReadonlyMap<KeyHash, number>> {
  const full = yield* fullConflictedSet(work, states)
  // "1. Select the set X of all power events that appear in the full conflicted set. […] Sort X into a list using the
  // reverse topological power ordering."
  const power = yield* powerOrder(work, full)
  // "2. Apply the iterative auth checks algorithm, starting from the unconflicted state map", v2 to v11; "from an empty
  // state map", since v12.
  const unconflicted = unconflictedEntry(states)
  const state = new PartialState(startsEmpty(work) ? () => undefined : unconflicted)
  yield* iterativeAuthChecks(work, state, power)
  // "3. Take all remaining events that weren't picked in step 1 and order them by the mainline ordering based on the power
  // level in the partially resolved state obtained in step 2."
  const picked = new Set(power)
  const left = [...full.values()].filter((event) => !picked.has(event))
  const levels = yield* settle(() => eventUnder(work, state, 'm.room.power_levels'))
  const rest = yield* mainlineOrder(work, left, levels)
  // "4. Apply the iterative auth checks algorithm on the partial resolved state and the list of events from the previous
  // step."
  yield* iterativeAuthChecks(work, state, rest)
  // "5. Update the result by replacing any event with the event with the same key from the unconflicted state map"
  return yield* settle(() => new Map([...state.changes].filter(([key]) => unconflicted(key) === undefined)))
}

/**
 * "The full conflicted set is the union of the conflicted state set and the auth difference", and since v12 of "the
 * conflicted state subgraph".
 */
function* fullConflictedSet(
  work: ResolutionWork,
  states: ComparedStates,
): Resumable<ReadonlyMap<number, ResolvableEvent>> {
  const conflicted = conflictedEvents(states.conflict)
  const numbers = new Set(conflicted)
  for (const number of yield* authDifference(states, work.meter)) numbers.add(number)
  if (startsEmpty(work)) {
    for (const number of yield* conflictedSubgraph(work.source, conflicted, work.meter)) numbers.add(number)
  }
  const events = yield* settle(() => loadedEvents(work.source, numbers))
  return new Map(events.map((event) => [event.number, event]))
}

function startsEmpty({ rules }: ResolutionWork): boolean {
  return rules.stateResolution === 'v2.1'
}

/** The unconflicted state map, as a lookup. */
function unconflictedEntry(states: ComparedStates): (key: KeyHash) => number | undefined {
  return (key) => (states.conflict.has(key) ? undefined : trieGet(states.source.nodes, states.first, key))
}

function eventUnder(work: ResolutionWork, state: PartialState, type: string): ResolvableEvent | undefined {
  const number = state.get(type, '')
  return number === undefined ? undefined : loadedEvent(work.source, number)
}
