/** The order of what is left after the power events. Room version 2, "Mainline ordering". */
import { authEventOfType, compareByTime, type ResolutionWork } from './power-order.ts'
import { settle, spend } from './resolution-source.ts'
import type { ResolvableEvent, Resumable } from './resolution-source.ts'

/**
 * The events by "the mainline ordering based on the power level in the partially resolved state", from first to last.
 * `powerLevels` is that event, P; without one all positions are the same.
 */
export function* mainlineOrder(
  work: ResolutionWork,
  events: readonly ResolvableEvent[],
  powerLevels: ResolvableEvent | undefined,
): Resumable<readonly ResolvableEvent[]> {
  const positions = new Map<number, number>()
  let mainline = powerLevels
  // "repeatedly fetch P(i+1), the m.room.power_levels event in the auth_events of P(i)"
  for (let i = 0; mainline !== undefined; i++) {
    positions.set(mainline.number, i)
    mainline = yield* parentOf(work, mainline)
  }
  const placed: { event: ResolvableEvent; position: number }[] = []
  for (const event of events) placed.push({ event, position: yield* positionOf(work, event, positions) })
  return placed
    .sort((x, y) => comparePositions(x.position, y.position) || compareByTime(x.event, y.event))
    .map(({ event }) => event)
}

/** "the mainline position of x is greater than the mainline position of y" puts x first; infinity is one of them. */
function comparePositions(x: number, y: number): number {
  return x === y ? 0 : y > x ? 1 : -1
}

/**
 * "Find the smallest index j ≥ 1 for which e(j) belongs to the mainline of P. […] Otherwise set i = ∞". What is found
 * is remembered for all power levels on the way, as most events share it.
 */
function* positionOf(
  work: ResolutionWork,
  event: ResolvableEvent,
  positions: Map<number, number>,
): Resumable<number> {
  const way: number[] = []
  let position: number | undefined
  let levels = yield* parentOf(work, event)
  while (levels !== undefined) {
    position = positions.get(levels.number)
    if (position !== undefined) break
    way.push(levels.number)
    levels = yield* parentOf(work, levels)
  }
  position ??= Number.POSITIVE_INFINITY
  for (const number of way) positions.set(number, position)
  return position
}

function* parentOf(work: ResolutionWork, event: ResolvableEvent): Resumable<ResolvableEvent | undefined> {
  yield* spend(work.meter, 1)
  return yield* settle(() => authEventOfType(work.source, event, 'm.room.power_levels'))
}
