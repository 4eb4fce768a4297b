/**
 * The auth difference of states: the events that are in the auth chains of some of them and not of all. Room version 2,
 * "Auth difference".
 *
 * The chains themselves are never built. The walk starts at the conflicted events only and goes back by auth depth, so
 * that everything which leads to an event has been seen before it. It ends at events that are entries of all
 * the states, for what these lead to is in every chain. What the walk has found then is in the difference unless it is in the
 * chain of an entry that is not conflicted. That is asked of the entries which the walk has met first, and only if events are left,
 * which are older versions of some entry, of the whole state; entries whose auth depth is not greater need no look.
 *
 * An entry of a state counts as a part of the state's chain, as in other servers; what the specification's
 * definition of the chain leaves out is in the conflicted set in any case, or in all states.
 */
import { conflictedEvents, type Conflict } from './conflict.ts'
import { PriorityQueue } from './priority-queue.ts'
import { loadedEvent, loadedLinks, settle, spend } from './resolution-source.ts'
import type { AuthLinks, Meter, ResolutionSource, Resumable } from './resolution-source.ts'
import { stateKeyHash, type NodeId } from './trie-node.ts'
import { MissingNodes, trieEntries, trieGet, trieMissing } from './trie.ts'

/** The states that are compared, with what is known of their difference. */
export interface ComparedStates {
  readonly source: ResolutionSource
  readonly roots: readonly NodeId[]
  /** The first of the roots. */
  readonly first: NodeId
  readonly conflict: Conflict
}

/** A bit for each state; there are at most 20 previous events, and so states. */
const maxStates = 30

/** How many events are looked up at once where there can be very many. */
const sliceSize = 512

interface Visit {
  readonly number: number
  readonly links: AuthLinks
}

/** The numbers of the events in the auth difference that are not themselves in the conflicted set. */
export function* authDifference(states: ComparedStates, meter: Meter): Resumable<ReadonlySet<number>> {
  const walk = yield* walkConflicted(states, meter)
  yield* removeChains(states.source, walk.found, [...walk.shared], meter)
  if (walk.found.size === 0) return new Set()
  yield* removeChains(states.source, walk.found, yield* unconflictedEntries(states, meter), meter)
  return new Set(walk.found.keys())
}

interface ConflictWalk {
  /** Events that not all conflicted parts lead to, with their auth depth. */
  readonly found: Map<number, number>
  /** Entries of all the states at which the walk ended. */
  readonly shared: Set<number>
}

function* walkConflicted(states: ComparedStates, meter: Meter): Resumable<ConflictWalk> {
  const { source } = states
  const masks = maskOfStates(states.conflict)
  const conflicted = conflictedEvents(states.conflict)
  const full = 2 ** states.roots.length - 1
  const walk: ConflictWalk = { found: new Map(), shared: new Set() }
  const queue = new PriorityQueue<Visit>((a, b) => a.links.authDepth > b.links.authDepth)
  const seeds = yield* settle(() => loadedLinks(source, masks.keys()))
  for (const [number, links] of seeds) queue.push({ number, links })
  // What all the states lead to is followed as long as something is waiting that they may not all lead to.
  let partial = seeds.length
  for (let next = queue.pop(); next !== undefined && partial > 0; next = queue.pop()) {
    const { number, links } = next
    const mask = masks.get(number) ?? 0
    if (mask !== full) {
      partial--
      if (yield* settle(() => isSharedEntry(states, number))) {
        walk.shared.add(number)
        continue
      }
      if (!conflicted.has(number)) walk.found.set(number, links.authDepth)
    }
    const parents = yield* settle(() => loadedLinks(source, links.authEvents))
    for (const [parent, parentLinks] of parents) {
      const before = masks.get(parent)
      const after = (before ?? 0) | mask
      masks.set(parent, after)
      if (before === undefined) queue.push({ number: parent, links: parentLinks })
      partial += Number(after !== full) - Number(before !== undefined && before !== full)
    }
    yield* spend(meter, 1 + parents.length)
  }
  return walk
}

/** For each conflicted event the states that contain it. */
function maskOfStates(conflict: Conflict): Map<number, number> {
  const masks = new Map<number, number>()
  for (const values of conflict.values()) {
    if (values.length > maxStates) throw new RangeError(`More than ${maxStates} states cannot be resolved.`)
    for (const [state, number] of values.entries()) {
      if (number !== undefined) masks.set(number, (masks.get(number) ?? 0) | (1 << state))
    }
  }
  return masks
}

/** Whether an event is an entry of all the states. */
function isSharedEntry(states: ComparedStates, number: number): boolean {
  const { type, stateKey } = loadedEvent(states.source, number)
  if (stateKey === undefined) return false
  const key = stateKeyHash(type, stateKey)
  return !states.conflict.has(key) && trieGet(states.source.nodes, states.first, key) === number
}

/** The numbers of the entries that all the states have; the whole of the first state is loaded for it. */
function* unconflictedEntries(
  { source, first, conflict }: ComparedStates,
  meter: Meter,
): Resumable<readonly number[]> {
  yield* settle(() => {
    const missing = trieMissing(source.nodes, first)
    if (missing.length > 0) throw new MissingNodes(missing)
  })
  const numbers: number[] = []
  for (const [key, number] of trieEntries(source.nodes, first)) {
    if (!conflict.has(key)) numbers.push(number)
    if (meter.count(1)) yield { kind: 'breathe' }
  }
  return numbers
}

/** Takes out of `found` what is in the chains of these events, following no chain below the least depth that is in question. */
function* removeChains(
  source: ResolutionSource,
  found: Map<number, number>,
  from: readonly number[],
  meter: Meter,
): Resumable<void> {
  const floor = Math.min(...found.values())
  const seen = new Set(from)
  const pending = [...from]
  while (pending.length > 0 && found.size > 0) {
    const slice = pending.splice(-sliceSize)
    for (const [number, { authDepth, authEvents }] of yield* settle(() => loadedLinks(source, slice))) {
      found.delete(number)
      const fresh = authDepth > floor ? authEvents.filter((parent) => !seen.has(parent)) : []
      for (const parent of fresh) {
        seen.add(parent)
        pending.push(parent)
      }
    }
    yield* spend(meter, slice.length)
  }
}
