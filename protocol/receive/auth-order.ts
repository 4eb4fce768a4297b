import type { EventId } from '../ids/event-id.ts'

/** An event with what it is authorised by. */
export interface AuthNode {
  readonly eventId: EventId
  readonly authEvents: readonly EventId[]
}

/** Events in an order in which they can be checked, and those that cannot. */
export interface AuthOrder<T extends AuthNode> {
  /** Each after its auth events. */
  readonly ordered: readonly T[]
  /** Those with an auth event that is neither known nor among them, or that lead to themselves, and what rests on those. */
  readonly incomplete: readonly T[]
}

/**
 * Puts events into an order in which each comes after its auth events. Of two with the same id the first one counts. `isKnown` tells
 * which other events have been checked already. Takes time in proportion to the number of references.
 */
export function orderByAuthEvents<T extends AuthNode>(
  events: readonly T[],
  isKnown: (id: EventId) => boolean = () => false,
): AuthOrder<T> {
  const byId = new Map<EventId, T>()
  for (const event of events) if (!byId.has(event.eventId)) byId.set(event.eventId, event)
  const waitsFor = new Map<EventId, number>()
  const dependants = new Map<EventId, T[]>()
  const ready: T[] = []
  for (const event of byId.values()) {
    const open = new Set(event.authEvents.filter((id) => byId.has(id) || !isKnown(id)))
    for (const id of open) dependants.getOrInsertComputed(id, () => []).push(event)
    waitsFor.set(event.eventId, open.size)
    if (open.size === 0) ready.push(event)
  }
  // The list grows while it is walked: what has been put into it is what can be checked.
  for (const { eventId } of ready) {
    for (const event of dependants.get(eventId) ?? []) {
      const left = (waitsFor.get(event.eventId) ?? 0) - 1
      waitsFor.set(event.eventId, left)
      if (left === 0) ready.push(event)
    }
  }
  const incomplete = [...byId.values()].filter((event) => waitsFor.get(event.eventId) !== 0)
  return { ordered: ready, incomplete }
}
