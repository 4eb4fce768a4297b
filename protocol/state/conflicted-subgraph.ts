/** The conflicted state subgraph: what lies between conflicted events. Room version 12, "Conflicted state subgraph". */
import { PriorityQueue } from './priority-queue.ts'
import { loadedLinks, settle, spend } from './resolution-source.ts'
import type { AuthLinks, Meter, ResolutionSource, Resumable } from './resolution-source.ts'

/**
 * "Starting from an event in the conflicted state set and following auth_events edges may lead to another event in the
 * conflicted state set. The union of all such paths […] (including endpoints)": the numbers of the events on these paths,
 * conflicted ones left out. No chain is followed below the least auth depth of a conflicted event.
 */
export function* conflictedSubgraph(
  source: ResolutionSource,
  conflicted: ReadonlySet<number>,
  meter: Meter,
): Resumable<ReadonlySet<number>> {
  const visited = new Map<number, AuthLinks>()
  const queue = new PriorityQueue<number>((a, b) => depthOf(visited, a) > depthOf(visited, b))
  for (const [number, links] of yield* settle(() => loadedLinks(source, conflicted))) {
    visited.set(number, links)
    queue.push(number)
  }
  const floor = Math.min(...[...visited.values()].map((links) => links.authDepth))
  const order: number[] = []
  for (let number = queue.pop(); number !== undefined; number = queue.pop()) {
    order.push(number)
    const parents = visited.get(number)?.authEvents ?? []
    const fresh = parents.filter((parent) => !visited.has(parent))
    for (const [parent, links] of yield* settle(() => loadedLinks(source, fresh))) {
      if (links.authDepth < floor || visited.has(parent)) continue
      visited.set(parent, links)
      queue.push(parent)
    }
    yield* spend(meter, 1 + parents.length)
  }
  return leadingTo(conflicted, visited, order)
}

/** Of the visited events those from which a conflicted one is reached; the last visited ones are at the ends of the paths. */
function leadingTo(
  conflicted: ReadonlySet<number>,
  visited: ReadonlyMap<number, AuthLinks>,
  order: readonly number[],
): ReadonlySet<number> {
  const between = new Set<number>()
  for (const number of order.toReversed()) {
    if (conflicted.has(number)) continue
    const parents = visited.get(number)?.authEvents ?? []
    if (parents.some((parent) => conflicted.has(parent) || between.has(parent))) between.add(number)
  }
  return between
}

function depthOf(visited: ReadonlyMap<number, AuthLinks>, number: number): number {
  return visited.get(number)?.authDepth ?? 0
}
