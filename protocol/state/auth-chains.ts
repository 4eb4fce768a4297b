/** Walks back along the auth chains of events. Room version 2, "Auth chain". */
import type { PriorityQueue } from './priority-queue.ts'
import { isLoaded, loadAhead, loadedEvent, loadedLinks } from './resolution-source.ts'
import type { AuthLinks, EventPart, MeteredSource, ResolutionSource, Resumable } from './resolution-source.ts'

/** How many events are looked at between two loads. */
const sliceSize = 512

/** Takes out of `found`, which has the auth depth of each event, what is in the chains of these events, they themselves included. */
export function* removeChains(
  work: MeteredSource,
  found: Map<number, number>,
  from: Iterable<number>,
): Resumable<void> {
  // What is not deeper than all that is in question leads to none of it.
  const floor = yield* leastOf(work, found.values())
  const seen = new Set(from)
  const pending = [...seen]
  while (pending.length > 0 && found.size > 0) {
    const slice = pending.splice(-sliceSize)
    yield* loadAhead(work, 'links', slice)
    for (const number of slice) {
      const { authDepth, authEvents } = loadedLinks(work.source, number)
      found.delete(number)
      if (authDepth > floor) {
        for (const parent of authEvents) {
          if (seen.has(parent)) continue
          seen.add(parent)
          pending.push(parent)
        }
      }
      if (work.meter.count(1 + authEvents.length)) yield { kind: 'breathe' }
    }
  }
}

/** The least of these numbers; infinity without any. */
export function* leastOf({ meter }: MeteredSource, numbers: Iterable<number>): Resumable<number> {
  let least = Number.POSITIVE_INFINITY
  for (const number of numbers) {
    least = Math.min(least, number)
    if (meter.count(1)) yield { kind: 'breathe' }
  }
  return least
}

/** The auth events of all of these. Throws MissingEvents. */
export function* authEventsOf(source: ResolutionSource, numbers: Iterable<number>): Iterable<number> {
  for (const number of numbers) yield* loadedLinks(source, number).authEvents
}

/** The keys under which those of these events stand that are state events. Throws MissingEvents. */
export function* stateKeysOf(
  source: ResolutionSource,
  numbers: Iterable<number>,
): Iterable<readonly [type: string, stateKey: string]> {
  for (const number of numbers) {
    const { type, stateKey } = loadedEvent(source, number)
    if (stateKey !== undefined) yield [type, stateKey]
  }
}

/** An event in the order of a walk. */
export interface Visit {
  readonly number: number
  readonly links: AuthLinks
}

/** Has an event's auth events loaded; if some are not there, then also those of what comes next. */
export function* loadParents(
  work: MeteredSource,
  wants: EventPart,
  { visit, queue }: { readonly visit: Visit; readonly queue: PriorityQueue<Visit> },
): Resumable<void> {
  if (visit.links.authEvents.every((parent) => isLoaded(work.source, wants, parent))) return
  yield* loadAhead(work, wants, parentsOf(visit, queue))
}

function* parentsOf(visit: Visit, queue: PriorityQueue<Visit>): Iterable<number> {
  yield* visit.links.authEvents
  for (const { links } of queue.items().take(sliceSize)) yield* links.authEvents
}

/** The order of a walk by auth depth, in which an event comes before all that it leads to. */
export function isDeeper(a: Visit, b: Visit): boolean {
  return a.links.authDepth > b.links.authDepth
}
