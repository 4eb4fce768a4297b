/**
 * The auth difference of states: the events that are in the auth chains of some of them and not of all. Room version 2,
 * "Auth difference".
 *
 * The chains themselves are never built. The walk starts at the conflicted events only and goes back by auth depth, so
 * that everything which leads to an event has been seen before it. It ends at events that are entries of all
 * the states, for what these lead to is in every chain. What the walk has found then is in the difference unless it is in the
 * chain of an entry that is not conflicted. That is asked of the entries at which the walk ended, and if events are left, which are
 * older versions of some entry, from their side (`citing-entries.ts`). So the size of the state does not matter.
 *
 * An entry of a state counts as a part of the state's chain, as in other servers; what the specification's
 * definition of the chain leaves out is in the conflicted set in any case, or in all states.
 */
import { authEventsOf, isDeeper, loadParents, removeChains, stateKeysOf, type Visit } from './auth-chains.ts'
import { removeCited } from './citing-entries.ts'
import type { Conflict } from './conflict.ts'
import { PriorityQueue } from './priority-queue.ts'
import { loadAhead, loadedEvent, loadedLinks, settle, spend } from './resolution-source.ts'
import type { MeteredSource, Resumable } from './resolution-source.ts'
import type { ComparedStates } from './unconflicted-state.ts'

/** A bit for each state; there are at most 20 previous events, and so states. */
const maxStates = 30

/** The numbers of the events in the auth difference that are not themselves in the conflicted set. */
export function* authDifference(work: MeteredSource, states: ComparedStates): Resumable<Iterable<number>> {
  yield* loadSurroundings(work, states)
  const { found, shared } = yield* walkConflicted(work, states)
  yield* removeChains(work, found, shared)
  yield* removeCited(work, states, found)
  return found.keys()
}

/** Loads the conflicted events and what they stand on, which all that follows looks at. */
function* loadSurroundings(work: MeteredSource, states: ComparedStates): Resumable<void> {
  const { source } = work
  yield* loadAhead(work, 'events', states.conflicted)
  yield* loadAhead(work, 'events', authEventsOf(source, states.conflicted))
  yield* states.unconflicted.lookAhead(stateKeysOf(source, authEventsOf(source, states.conflicted)))
}

interface ConflictWalk {
  /** Events that not all conflicted parts lead to, with their auth depth. */
  readonly found: Map<number, number>
  /** Entries of all the states at which the walk ended. */
  readonly shared: Set<number>
}

function* walkConflicted(work: MeteredSource, states: ComparedStates): Resumable<ConflictWalk> {
  const { source, meter } = work
  const masks = yield* maskOfStates(work, states.conflict)
  const full = 2 ** states.roots.length - 1
  const walk: ConflictWalk = { found: new Map(), shared: new Set() }
  const queue = new PriorityQueue<Visit>(isDeeper)
  for (const number of states.conflicted) {
    queue.push({ number, links: loadedLinks(source, number) })
    yield* spend(meter, 1)
  }
  // What all the states lead to is followed as long as something is waiting that they may not all lead to.
  let partial = queue.size
  for (let next = queue.pop(); next !== undefined && partial > 0; next = queue.pop()) {
    const { number, links } = next
    const mask = masks.get(number) ?? 0
    if (mask !== full) {
      partial--
      if (yield* isEntryOfAll(work, states, number)) {
        walk.shared.add(number)
        continue
      }
      if (!states.conflicted.has(number)) walk.found.set(number, links.authDepth)
    }
    // Who is not led to by all the states has to be looked at as an event.
    yield* loadParents(work, mask === full ? 'links' : 'events', { visit: next, queue })
    for (const parent of links.authEvents) {
      const before = masks.get(parent)
      const after = (before ?? 0) | mask
      masks.set(parent, after)
      if (before === undefined) queue.push({ number: parent, links: loadedLinks(source, parent) })
      partial += Number(after !== full) - Number(before !== undefined && before !== full)
    }
    yield* spend(meter, 1 + links.authEvents.length)
  }
  return walk
}

/** For each conflicted event the states that contain it. */
function* maskOfStates({ meter }: MeteredSource, conflict: Conflict): Resumable<Map<number, number>> {
  const masks = new Map<number, number>()
  for (const values of conflict.values()) {
    if (values.length > maxStates) throw new RangeError(`More than ${maxStates} states cannot be resolved.`)
    for (const [state, number] of values.entries()) {
      if (number !== undefined) masks.set(number, (masks.get(number) ?? 0) | (1 << state))
    }
    yield* spend(meter, values.length)
  }
  return masks
}

function* isEntryOfAll(work: MeteredSource, states: ComparedStates, number: number): Resumable<boolean> {
  if (states.conflicted.has(number)) return false
  return yield* settle(() => states.unconflicted.holds(loadedEvent(work.source, number)))
}
