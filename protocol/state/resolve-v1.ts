/** State resolution of room version 1: "The resolved state is built up in a number of passes". */
import { hash } from 'node:crypto'
import { checkAuth } from '../auth/check.ts'
import { checkUnits, PartialState } from './iterative-auth.ts'
import type { ResolutionWork } from './power-order.ts'
import { loadAhead, loadedEvent, settle, spend } from './resolution-source.ts'
import type { ResolvableEvent, Resumable } from './resolution-source.ts'
import type { KeyHash } from './trie-node.ts'
import type { ComparedStates } from './unconflicted-state.ts'

/** The types whose conflicts are resolved first, in this order; all others come together afterwards. */
const passes = ['m.room.power_levels', 'm.room.join_rules', 'm.room.member']

/** How many conflicts are prepared for their checks at once. */
const sliceSize = 256

/** The entries that the conflict resolves to, by key; each conflicted key is among them. */
export function* resolveV1(
  work: ResolutionWork,
  states: ComparedStates,
): Resumable<ReadonlyMap<KeyHash, number>> {
  yield* loadAhead(work, 'events', states.conflicted)
  const { groups, union } = yield* separate(work, states)
  const state = new PartialState(work.keys, states.unconflicted, union)
  for (const type of passes) {
    const ofType = groups.filter((events) => isOfPass(events, type))
    yield* runPass(work, state, ofType, lastAllowedInRow)
  }
  const others = groups.filter((events) => !passes.some((type) => isOfPass(events, type)))
  yield* runPass(work, state, others, firstAllowed)
  return state.changes
}

interface SeparatedConflict {
  /** For each key the events that are in conflict. */
  readonly groups: readonly (readonly ResolvableEvent[])[]
  readonly union: ReadonlyMap<KeyHash, number>
}

/** "A conflict occurs between states where those states have different event_ids for the same (event_type, state_key)." */
function* separate(
  { source, meter }: ResolutionWork,
  { conflict }: ComparedStates,
): Resumable<SeparatedConflict> {
  const groups: (readonly ResolvableEvent[])[] = []
  const union = new Map<KeyHash, number>()
  for (const [key, values] of conflict) {
    const numbers = new Set(values.filter((value) => value !== undefined))
    const [only] = numbers
    // "Start by setting R to the union of the states to be resolved, excluding any conflicting events."
    if (numbers.size === 1 && only !== undefined) union.set(key, only)
    else groups.push(Array.from(numbers, (number) => loadedEvent(source, number)))
    yield* spend(meter, values.length)
  }
  return { groups, union }
}

/** NOTSPEC: power levels with a state key are resolved with the other events, as they affect nothing. */
function isOfPass([event]: readonly ResolvableEvent[], type: string): boolean {
  return event?.type === type && (type !== 'm.room.power_levels' || event.stateKey === '')
}

/** The event of a group that holds in this state. */
type Choice = (
  work: ResolutionWork,
  state: PartialState,
  sorted: readonly ResolvableEvent[],
) => ResolvableEvent

/** Resolves groups independently of each other: what one resolves to is set when all have been judged. */
function* runPass(
  work: ResolutionWork,
  state: PartialState,
  groups: readonly (readonly ResolvableEvent[])[],
  choose: Choice,
): Resumable<void> {
  const chosen: ResolvableEvent[] = []
  for (const [at, events] of groups.entries()) {
    if (at % sliceSize === 0) yield* state.loadForChecks(work, groups.slice(at, at + sliceSize).flat())
    // "Sort the list by ascending depth then descending sha1(event_id)."
    const sorted = events.toSorted((a, b) => a.depth - b.depth || compareHashes(b, a))
    chosen.push(yield* settle(() => choose(work, state, sorted)))
    yield* spend(work.meter, checkUnits * events.length)
  }
  for (const event of chosen) state.set(event)
}

/**
 * "Add the first event in the list to R. For each subsequent event in the list, check that the event would be allowed by
 * the authorisation rules for a room in state R. If the event would be allowed, then update R with the event and continue
 * with the next event in the list. If it would not be allowed, stop".
 */
function lastAllowedInRow(
  work: ResolutionWork,
  state: PartialState,
  sorted: readonly ResolvableEvent[],
): ResolvableEvent {
  const [first, ...rest] = sorted
  if (first === undefined) throw new RangeError('A conflict is between events.')
  let current = first
  for (const event of rest) {
    if (!isAllowed(work, state, event, current)) break
    current = event
  }
  return current
}

/**
 * "just pick the event with the highest depth and lowest sha1(event_id) that passes authentication in R". NOTSPEC: if none
 * does, the last one in this order is kept, as other servers do.
 */
function firstAllowed(
  work: ResolutionWork,
  state: PartialState,
  sorted: readonly ResolvableEvent[],
): ResolvableEvent {
  const [least] = sorted
  if (least === undefined) throw new RangeError('A conflict is between events.')
  return sorted.findLast((event) => isAllowed(work, state, event)) ?? least
}

/** Whether the rules allow the event in this state, in which `current` is set as well. */
function isAllowed(
  work: ResolutionWork,
  state: PartialState,
  event: ResolvableEvent,
  current?: ResolvableEvent,
): boolean {
  return checkAuth(work.rules, event, (type, stateKey) => {
    if (current?.type === type && current.stateKey === stateKey) return current
    const number = state.get(type, stateKey)
    return number === undefined ? undefined : loadedEvent(work.source, number)
  }).ok
}

function compareHashes(a: ResolvableEvent, b: ResolvableEvent): number {
  const [x, y] = [hash('sha1', a.eventId), hash('sha1', b.eventId)]
  return x < y ? -1 : x > y ? 1 : 0
}
