/**
 * Who may see an event: the one rule that every endpoint asks which returns events. Client-server API v1.19, "Room
 * History Visibility".
 */
import type { HistoryVisibility } from '../events/read/history-visibility.ts'
import type { Membership } from '../events/read/membership.ts'

/** A value of the room's state before and after an event; both are the same unless the event itself changes it. */
export interface AroundEvent<T> {
  readonly before: T
  readonly after: T
}

/** What decides whether one user may see one event. */
export interface VisibilityFacts {
  readonly visibility: AroundEvent<HistoryVisibility>
  /** The user's membership; undefined while he has none. */
  readonly membership: AroundEvent<Membership | undefined>
  /** Whether he joined at any point after the event, whether or not he has left again since. */
  readonly joinedLater: boolean
}

/**
 * Whether the user may see the event. "For `m.room.history_visibility` events themselves, the user should be allowed to
 * see the event if the `history_visibility` before *or* after the event would allow them to see it"; likewise for "the
 * user's own `m.room.member` events". For all other events before and after are the same.
 */
export function maySeeEvent(facts: VisibilityFacts): boolean {
  const { visibility, membership, joinedLater } = facts
  return (
    allows(visibility.before, membership.before, joinedLater) ||
    allows(visibility.after, membership.after, joinedLater) ||
    allows(visibility.before, membership.after, joinedLater) ||
    allows(visibility.after, membership.before, joinedLater)
  )
}

function allows(
  visibility: HistoryVisibility,
  membership: Membership | undefined,
  joinedLater: boolean,
): boolean {
  // "1. If the `history_visibility` was set to `world_readable`, allow."
  if (visibility === 'world_readable') return true
  // "2. If the user's `membership` was `join`, allow."
  if (membership === 'join') return true
  // "3. If `history_visibility` was set to `shared`, and the user joined the room at any point after the event was
  // sent, allow."
  if (visibility === 'shared' && joinedLater) return true
  // "4. If the user's `membership` was `invite`, and the `history_visibility` was set to `invited`, allow."
  return membership === 'invite' && visibility === 'invited'
  // "5. Otherwise, deny."
}

/** A place in a room's order of arrival: the position in its log, and below 0 for events fetched later for a gap. */
export type ArrivalOrder = readonly [position: number, sub: number]

/** A value that the room's state has from this event on. */
export interface Transition<T> {
  readonly at: ArrivalOrder
  readonly value: T
}

/** The changes that matter for one user in one room, each list in ascending order of arrival. */
export interface VisibilityTransitions {
  readonly visibility: readonly Transition<HistoryVisibility>[]
  readonly membership: readonly Transition<Membership>[]
}

/**
 * The facts about an event at a place in the order of arrival, from all changes in the room: so that a page of events
 * needs two small queries, not the state at each event. Before its first change the visibility is `shared`.
 */
export function factsAt(transitions: VisibilityTransitions, at: ArrivalOrder): VisibilityFacts {
  return {
    visibility: around<HistoryVisibility>(transitions.visibility, at, 'shared'),
    membership: around<Membership | undefined>(transitions.membership, at, undefined),
    joinedLater: transitions.membership.some(
      (change) => change.value === 'join' && compareOrder(change.at, at) > 0,
    ),
  }
}

/** The order of arrival of two events of a room: negative when the first came first. */
export function compareOrder(a: ArrivalOrder, b: ArrivalOrder): number {
  return a[0] === b[0] ? a[1] - b[1] : a[0] - b[0]
}

function around<T>(changes: readonly Transition<T>[], at: ArrivalOrder, initial: T): AroundEvent<T> {
  let before = initial
  let after = initial
  for (const change of changes) {
    const order = compareOrder(change.at, at)
    if (order < 0) before = change.value
    if (order <= 0) after = change.value
  }
  return { before, after }
}
