/**
 * Which events are in the auth chain of an unconflicted entry, asked from below: an event is in the chain of what cites it. Events in an
 * auth difference have mostly been replaced on the branch of the room on which they were sent, so that they are cited by little else than by events
 * of that branch, while the entries of the state are as many as the room has members.
 */
import { removeChains, stateKeysOf } from './auth-chains.ts'
import { loadAhead, loadedCiting, loadedEvent, spend } from './resolution-source.ts'
import type { MeteredSource, Resumable } from './resolution-source.ts'
import type { ComparedStates } from './unconflicted-state.ts'

/** How many citing events are looked at between two loads; mostly one of the first is an entry if any is. */
const sliceSize = 64

/** How far above the events in question is loaded together, how many events for each of these, and how many may cite one. */
const aheadLevels = 4
const aheadFactor = 16
const citingMany = 256

/**
 * Takes out of `found`, which has the auth depth of each event, what is in the chain of an unconflicted entry. None of the found events is
 * itself an entry of all the states.
 */
export function* removeCited(
  work: MeteredSource,
  states: ComparedStates,
  found: Map<number, number>,
): Resumable<void> {
  yield* loadSurroundings(work, states, found)
  const visited = new Set<number>()
  // What is removed on the way is not met any more.
  for (const number of found.keys()) {
    const entry = yield* citingEntry(work, states, { number, visited })
    if (entry !== undefined) yield* removeChains(work, found, [entry])
  }
}

/** Loads level by level what the search mostly looks at, for it goes from event to event. */
function* loadSurroundings(
  work: MeteredSource,
  states: ComparedStates,
  found: ReadonlyMap<number, number>,
): Resumable<void> {
  const aheadSize = aheadFactor * found.size
  const seen = new Set(found.keys())
  let level: readonly number[] = [...seen]
  for (let rounds = 0; rounds < aheadLevels && level.length > 0; rounds++) {
    yield* loadAhead(work, 'citing', level)
    const above: number[] = []
    for (const number of level) {
      const citing = loadedCiting(work.source, number)
      // What is cited by very many is settled by one of the first few.
      if (citing.length > citingMany || above.length > aheadSize) continue
      const fresh = citing.filter((one) => !seen.has(one))
      for (const one of fresh) seen.add(one)
      above.push(...fresh)
      yield* spend(work.meter, citing.length)
    }
    yield* loadEntries(work, states, above)
    level = yield* withoutEntries(work, states, above)
  }
}

function* withoutEntries(
  work: MeteredSource,
  states: ComparedStates,
  numbers: readonly number[],
): Resumable<readonly number[]> {
  const others: number[] = []
  for (const number of numbers) {
    if (!isEntryOfAll(work, states, number)) others.push(number)
    yield* spend(work.meter, 1)
  }
  return others
}

/**
 * An unconflicted entry with this event in its auth chain, if there is one. What has been visited leads to no entry, or to one whose
 * chain has been removed with all that lies below it.
 */
function* citingEntry(
  work: MeteredSource,
  states: ComparedStates,
  { number: start, visited }: { readonly number: number; readonly visited: Set<number> },
): Resumable<number | undefined> {
  const stack = [start]
  for (let number = stack.pop(); number !== undefined; number = stack.pop()) {
    if (visited.has(number)) continue
    visited.add(number)
    if (work.source.citing(number) === undefined) yield* loadAhead(work, 'citing', [number, ...stack])
    const fresh = loadedCiting(work.source, number).filter((citing) => !visited.has(citing))
    for (let at = 0; at < fresh.length; at += sliceSize) {
      const slice = fresh.slice(at, at + sliceSize)
      yield* loadEntries(work, states, slice)
      const entry = slice.find((citing) => isEntryOfAll(work, states, citing))
      if (entry !== undefined) return entry
      stack.push(...slice)
      yield* spend(work.meter, slice.length)
    }
    yield* spend(work.meter, 1)
  }
  return undefined
}

/** Loads what `isEntryOfAll` looks at. */
function* loadEntries(
  work: MeteredSource,
  { conflicted, unconflicted }: ComparedStates,
  numbers: readonly number[],
): Resumable<void> {
  const others = numbers.filter((number) => !conflicted.has(number))
  yield* loadAhead(work, 'events', others)
  yield* unconflicted.lookAhead(stateKeysOf(work.source, others))
}

/** Whether an event that has been loaded is an entry of all the states. */
function isEntryOfAll(
  { source }: MeteredSource,
  { conflicted, unconflicted }: ComparedStates,
  number: number,
): boolean {
  return !conflicted.has(number) && unconflicted.holds(loadedEvent(source, number))
}
