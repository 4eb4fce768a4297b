/** A state that is built event by event. Room version 2, "Iterative auth checks". */
import type { StateLookup } from '../auth/auth-event.ts'
import { checkAuth } from '../auth/check.ts'
import { authEventKeys } from '../auth/select.ts'
import type { ResolutionWork } from './power-order.ts'
import { loadAhead, loadedEvent, settle, spend } from './resolution-source.ts'
import type { ResolvableEvent, Resumable } from './resolution-source.ts'
import type { StateKeys } from './state-keys.ts'
import type { KeyHash } from './trie-node.ts'
import type { UnconflictedState } from './unconflicted-state.ts'

/** The units of work that one check stands for. */
export const checkUnits = 10

/** How many events are prepared for their checks at once. */
const sliceSize = 512

/** A state that starts from another one and is changed in memory only. */
export class PartialState {
  readonly #keys: StateKeys
  readonly #base: UnconflictedState | undefined
  readonly #set: Map<KeyHash, number>

  /** A state that is `base`, or empty without one, but for the entries in `set`. */
  constructor(keys: StateKeys, base: UnconflictedState | undefined, set?: ReadonlyMap<KeyHash, number>) {
    this.#keys = keys
    this.#base = base
    this.#set = new Map(set)
  }

  /** The entries that have been set, by key. */
  get changes(): ReadonlyMap<KeyHash, number> {
    return this.#set
  }

  /** The event number under a key. Throws MissingNodes. */
  get(type: string, stateKey: string): number | undefined {
    const key = this.#keys.of(type, stateKey)
    return this.#set.get(key) ?? this.#base?.get(key)
  }

  /** Sets the entry of a state event. */
  set(event: ResolvableEvent): void {
    if (event.stateKey !== undefined) this.#set.set(this.#keys.of(event.type, event.stateKey), event.number)
  }

  /** Has what the authorisation rules ask of this state for these events loaded, all at once. */
  *loadForChecks(work: ResolutionWork, events: readonly ResolvableEvent[]): Resumable<void> {
    const asked = events.flatMap((event) => authEventKeys(work.rules, event))
    if (this.#base !== undefined) yield* this.#base.lookAhead(asked)
    const numbers = asked.values().map(([type, stateKey]) => this.get(type, stateKey))
    yield* loadAhead(
      work,
      'events',
      numbers.filter((number) => number !== undefined),
    )
  }
}

/** "applying the state event to the room state if the state event is allowed by the authorisation rules" */
export function* iterativeAuthChecks(
  work: ResolutionWork,
  state: PartialState,
  events: readonly ResolvableEvent[],
): Resumable<void> {
  for (let at = 0; at < events.length; at += sliceSize) {
    const slice = events.slice(at, at + sliceSize)
    yield* loadAhead(
      work,
      'events',
      slice.values().flatMap((event) => event.authEvents),
    )
    yield* state.loadForChecks(work, slice)
    for (const event of slice) {
      const isAllowed = yield* settle(() => checkAuth(work.rules, event, lookupFor(work, state, event)).ok)
      if (isAllowed) state.set(event)
      yield* spend(work.meter, checkUnits)
    }
  }
}

/**
 * The state as the check of one event sees it. "If a (event_type, state_key) key that is required for checking the
 * authorisation rules is not present in the state, then the appropriate state event from the event's auth_events is used
 * if the auth event is not rejected." The create event of version 12 is implied.
 */
function lookupFor(work: ResolutionWork, state: PartialState, event: ResolvableEvent): StateLookup {
  return (type, stateKey) => {
    const number = state.get(type, stateKey)
    if (number !== undefined) return loadedEvent(work.source, number)
    if (type === 'm.room.create' && stateKey === '' && work.impliedCreate !== undefined)
      return work.impliedCreate
    return event.authEvents
      .map((auth) => loadedEvent(work.source, auth))
      .find((auth) => auth.type === type && auth.stateKey === stateKey && !auth.isRejected)
  }
}
