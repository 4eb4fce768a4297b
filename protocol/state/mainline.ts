/** The order of what is left after the power events. Room version 2, "Mainline ordering". */
import { authEventOfType, compareByTime, type ResolutionWork } from './power-order.ts'
import { PriorityQueue } from './priority-queue.ts'
import { loadAhead, spend } from './resolution-source.ts'
import type { ResolvableEvent, Resumable } from './resolution-source.ts'

/** How many events are placed between two loads. */
const sliceSize = 512

/**
 * The events by "the mainline ordering based on the power level in the partially resolved state", from first to last.
 * `powerLevels` is that event, P; without one all positions are the same.
 */
export function* mainlineOrder(
  work: ResolutionWork,
  events: readonly ResolvableEvent[],
  powerLevels: ResolvableEvent | undefined,
): Resumable<readonly ResolvableEvent[]> {
  const mainline = new Mainline(work, powerLevels)
  const queue = new PriorityQueue<PlacedEvent>(comesBefore)
  for (let at = 0; at < events.length; at += sliceSize) {
    const slice = events.slice(at, at + sliceSize)
    yield* loadAhead(
      work,
      'events',
      slice.values().flatMap((event) => event.authEvents),
    )
    for (const event of slice) {
      queue.push({ event, position: yield* mainline.positionOf(event) })
      yield* spend(work.meter, 1)
    }
  }
  const sorted: ResolvableEvent[] = []
  for (let placed = queue.pop(); placed !== undefined; placed = queue.pop()) {
    sorted.push(placed.event)
    yield* spend(work.meter, 1)
  }
  return sorted
}

interface PlacedEvent {
  readonly event: ResolvableEvent
  readonly position: number
}

function comesBefore(x: PlacedEvent, y: PlacedEvent): boolean {
  // "the mainline position of x is greater than the mainline position of y"; infinity is a position like others.
  if (x.position !== y.position) return x.position > y.position
  // "the mainline positions of the events are the same, but …"
  return compareByTime(x.event, y.event) < 0
}

/** "The mainline of P(0) is the list of events [P(0), P(1), ..., P(n)]", known so far as it has been asked for. */
class Mainline {
  readonly #work: ResolutionWork
  /** Of events of the mainline and of such that lead to it. */
  readonly #positions = new Map<number, number>()
  #last: ResolvableEvent | undefined
  #length = 0

  constructor(work: ResolutionWork, powerLevels: ResolvableEvent | undefined) {
    this.#work = work
    this.#append(powerLevels)
  }

  /**
   * "Find the smallest index j ≥ 1 for which e(j) belongs to the mainline of P. […] Otherwise set i = ∞". What is found
   * is remembered for all power levels on the way, as most events share it.
   */
  *positionOf(event: ResolvableEvent): Resumable<number> {
    const way: number[] = []
    let position: number | undefined
    let levels = yield* this.#parentOf(event)
    while (levels !== undefined) {
      yield* this.#extendTo(levels.authDepth)
      position = this.#positions.get(levels.number)
      if (position !== undefined) break
      way.push(levels.number)
      levels = yield* this.#parentOf(levels)
    }
    position ??= Number.POSITIVE_INFINITY
    for (const number of way) this.#positions.set(number, position)
    return position
  }

  /** Makes sure that the mainline is known down to this auth depth, which decreases along it. */
  *#extendTo(authDepth: number): Resumable<void> {
    while (this.#last !== undefined && this.#last.authDepth > authDepth) {
      // "repeatedly fetch P(i+1), the m.room.power_levels event in the auth_events of P(i)"
      this.#append(yield* this.#parentOf(this.#last))
    }
  }

  #append(levels: ResolvableEvent | undefined): void {
    this.#last = levels
    if (levels !== undefined) this.#positions.set(levels.number, this.#length++)
  }

  *#parentOf(event: ResolvableEvent): Resumable<ResolvableEvent | undefined> {
    yield* loadAhead(this.#work, 'events', event.authEvents)
    return authEventOfType(this.#work.source, event, 'm.room.power_levels')
  }
}
