/** A state that is built event by event. Room version 2, "Iterative auth checks". */
import type { StateLookup } from '../auth/auth-event.ts'
import { checkAuth } from '../auth/check.ts'
import { authEventKeys } from '../auth/select.ts'
import type { ResolutionWork } from './power-order.ts'
import { loadedEvent, loadedEvents, settle, spend } from './resolution-source.ts'
import type { ResolvableEvent, Resumable } from './resolution-source.ts'
import { stateKeyHash, type KeyHash } from './trie-node.ts'

/** The units of work that one check stands for, beside one for looking at an auth event. */
const checkUnits = 10

/** How many events are prepared for their checks at once. */
const sliceSize = 128

/** A state that starts from another one and is changed in memory only. */
export class PartialState {
  /** The number under a key where the state starts, or undefined. Throws MissingNodes. */
  readonly #base: (key: KeyHash) => number | undefined
  readonly #set = new Map<KeyHash, number>()
  readonly #keys = new Map<string, Map<string, KeyHash>>()

  constructor(base: (key: KeyHash) => number | undefined) {
    this.#base = base
  }

  /** The entries that have been set, by key. */
  get changes(): ReadonlyMap<KeyHash, number> {
    return this.#set
  }

  /** The event number under a key. Throws MissingNodes. */
  get(type: string, stateKey: string): number | undefined {
    const key = this.#keyOf(type, stateKey)
    return this.#set.get(key) ?? this.#base(key)
  }

  /** Sets the entry of a state event. */
  set(event: ResolvableEvent): void {
    if (event.stateKey !== undefined) this.#set.set(this.#keyOf(event.type, event.stateKey), event.number)
  }

  #keyOf(type: string, stateKey: string): KeyHash {
    return this.#keys
      .getOrInsertComputed(type, () => new Map())
      .getOrInsertComputed(stateKey, () => stateKeyHash(type, stateKey))
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
    yield* settle(() => loadForChecks(work, state, slice))
    yield* spend(work.meter, slice.length)
    for (const event of slice) {
      const isAllowed = yield* settle(() => checkAuth(work.rules, event, lookupFor(work, state, event)).ok)
      if (isAllowed) state.set(event)
      yield* spend(work.meter, checkUnits)
    }
  }
}

/** Sees that what the checks will look up is asked for at once, and not event by event. */
function loadForChecks(work: ResolutionWork, state: PartialState, events: readonly ResolvableEvent[]): void {
  const numbers = new Set<number>()
  for (const event of events) {
    for (const number of event.authEvents) numbers.add(number)
    for (const [type, stateKey] of authEventKeys(work.rules, event)) {
      const number = state.get(type, stateKey)
      if (number !== undefined) numbers.add(number)
    }
  }
  loadedEvents(work.source, numbers)
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
