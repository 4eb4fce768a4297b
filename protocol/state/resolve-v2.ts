/** State resolution of room versions 2 to 12: the steps in the order of the specification's "Algorithm". */
import { authDifference } from './auth-difference.ts'
import { conflictedSubgraph } from './conflicted-subgraph.ts'
import { iterativeAuthChecks, PartialState } from './iterative-auth.ts'
import { mainlineOrder } from './mainline.ts'
import { powerOrder, type ResolutionWork } from './power-order.ts'
import { loadAhead, loadedEvent, settle } from './resolution-source.ts'
import type { ResolvableEvent, Resumable } from './resolution-source.ts'
import type { KeyHash } from './trie-node.ts'
import type { ComparedStates } from './unconflicted-state.ts'

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
  const state = new PartialState(work.keys, startsEmpty(work) ? undefined : states.unconflicted)
  yield* iterativeAuthChecks(work, state, power)
  // "3. Take all remaining events that weren't picked in step 1 and order them by the mainline ordering based on the power
  // level in the partially resolved state obtained in step 2."
  const left = yield* without(work, full, power)
  const levels = yield* settle(() => eventUnder(work, state, 'm.room.power_levels'))
  const rest = yield* mainlineOrder(work, left, levels)
  // "4. Apply the iterative auth checks algorithm on the partial resolved state and the list of events from the previous
  // step."
  yield* iterativeAuthChecks(work, state, rest)
  // "5. Update the result by replacing any event with the event with the same key from the unconflicted state map"
  return yield* withoutUnconflicted(work, states, state.changes)
}

/**
 * "The full conflicted set is the union of the conflicted state set and the auth difference", and since v12 of "the
 * conflicted state subgraph".
 */
function* fullConflictedSet(
  work: ResolutionWork,
  states: ComparedStates,
): Resumable<ReadonlyMap<number, ResolvableEvent>> {
  const numbers = new Set(states.conflicted)
  for (const number of yield* authDifference(work, states)) numbers.add(number)
  if (startsEmpty(work)) {
    for (const number of yield* conflictedSubgraph(work, states.conflicted)) numbers.add(number)
  }
  yield* loadAhead(work, 'events', numbers)
  const full = new Map<number, ResolvableEvent>()
  for (const number of numbers) {
    full.set(number, loadedEvent(work.source, number))
    if (work.meter.count(1)) yield { kind: 'breathe' }
  }
  return full
}

function startsEmpty({ rules }: ResolutionWork): boolean {
  return rules.stateResolution === 'v2.1'
}

function* without(
  { meter }: ResolutionWork,
  full: ReadonlyMap<number, ResolvableEvent>,
  picked: readonly ResolvableEvent[],
): Resumable<readonly ResolvableEvent[]> {
  const numbers = new Set(picked.values().map((event) => event.number))
  const left: ResolvableEvent[] = []
  for (const event of full.values()) {
    if (!numbers.has(event.number)) left.push(event)
    if (meter.count(1)) yield { kind: 'breathe' }
  }
  return left
}

function* withoutUnconflicted(
  { meter }: ResolutionWork,
  { unconflicted }: ComparedStates,
  changes: ReadonlyMap<KeyHash, number>,
): Resumable<ReadonlyMap<KeyHash, number>> {
  const resolved = new Map<KeyHash, number>()
  for (const [key, number] of changes) {
    if ((yield* settle(() => unconflicted.get(key))) === undefined) resolved.set(key, number)
    if (meter.count(1)) yield { kind: 'breathe' }
  }
  return resolved
}

function eventUnder(work: ResolutionWork, state: PartialState, type: string): ResolvableEvent | undefined {
  const number = state.get(type, '')
  return number === undefined ? undefined : loadedEvent(work.source, number)
}
