/** The conflicted state subgraph: what lies between conflicted events. Room version 12, "Conflicted state subgraph". */
import { isDeeper, leastOf, loadParents, type Visit } from './auth-chains.ts'
import { PriorityQueue } from './priority-queue.ts'
import { loadAhead, loadedLinks, spend } from './resolution-source.ts'
import type { MeteredSource, Resumable } from './resolution-source.ts'

/**
 * "Starting from an event in the conflicted state set and following auth_events edges may lead to another event in the
 * conflicted state set. The union of all such paths […] (including endpoints)": the numbers of the events on these paths,
 * conflicted ones left out. No chain is followed below the least auth depth of a conflicted event.
 */
export function* conflictedSubgraph(
  work: MeteredSource,
  conflicted: ReadonlySet<number>,
): Resumable<ReadonlySet<number>> {
  const { source, meter } = work
  yield* loadAhead(work, 'links', conflicted)
  const depths = conflicted.values().map((number) => loadedLinks(source, number).authDepth)
  const floor = yield* leastOf(work, depths)
  const visited = new Set(conflicted)
  const queue = new PriorityQueue<Visit>(isDeeper)
  for (const number of conflicted) {
    queue.push({ number, links: loadedLinks(source, number) })
    yield* spend(meter, 1)
  }
  const order: Visit[] = []
  for (let visit = queue.pop(); visit !== undefined; visit = queue.pop()) {
    order.push(visit)
    yield* loadParents(work, 'links', { visit, queue })
    for (const parent of visit.links.authEvents) {
      const links = loadedLinks(source, parent)
      if (links.authDepth < floor || visited.has(parent)) continue
      visited.add(parent)
      queue.push({ number: parent, links })
    }
    yield* spend(meter, 1 + visit.links.authEvents.length)
  }
  return yield* leadingTo(work, conflicted, order)
}

/** Of the visited events those from which a conflicted one is reached; the last visited ones are at the ends of the paths. */
function* leadingTo(
  { meter }: MeteredSource,
  conflicted: ReadonlySet<number>,
  order: readonly Visit[],
): Resumable<ReadonlySet<number>> {
  const between = new Set<number>()
  for (const { number, links } of order.toReversed()) {
    yield* spend(meter, 1)
    if (conflicted.has(number)) continue
    const isBetween = (parent: number): boolean => conflicted.has(parent) || between.has(parent)
    if (links.authEvents.some(isBetween)) between.add(number)
  }
  return between
}
