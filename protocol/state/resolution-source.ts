/**
 * What the resolution of states asks for, and how it asks: lookups are synchronous, and one that needs what is not in
 * memory throws. The driver of a resolution turns that into a pause, in which its caller loads what is named.
 */
import type { CheckedEvent } from '../auth/auth-event.ts'
import type { NodeId } from './trie-node.ts'
import { MissingNodes } from './trie.ts'
import type { NodeSource } from './trie.ts'

/** An event's place in the graph of auth events. */
export interface AuthLinks {
  /** One more than the greatest auth depth among its auth events; 0 without any. So it is greater than that of each. */
  readonly authDepth: number
  /** The numbers of its auth events. */
  readonly authEvents: readonly number[]
}

/** A state event, or an auth event of one, as the algorithms look at it. */
export interface ResolvableEvent extends CheckedEvent, AuthLinks {
  /** Its number, which stands for it in the state trie. */
  readonly number: number
  readonly depth: number
  /** In milliseconds since the epoch. */
  readonly originServerTs: number
  /** True if this server has rejected it. */
  readonly isRejected: boolean
}

/**
 * The nodes and events that are in memory. `undefined` means: not loaded. What has been loaded for a resolution stays until
 * the resolution has ended.
 */
export interface ResolutionSource {
  readonly nodes: NodeSource
  event(number: number): ResolvableEvent | undefined
  /** The links alone, which a caller can hold for many more events. */
  links(number: number): AuthLinks | undefined
}

/** Events that are needed and not in memory, or of which only the links are needed. Load them and repeat the call. */
export class MissingEvents extends Error {
  override readonly name = 'MissingEvents'
  readonly wants: 'events' | 'links'
  readonly numbers: readonly number[]

  constructor(wants: 'events' | 'links', numbers: readonly number[]) {
    super(`${numbers.length} ${wants} are not in memory, those of event ${numbers[0]} among them.`)
    this.wants = wants
    this.numbers = numbers
  }
}

/** The event of this number. Throws MissingEvents. */
export function loadedEvent(source: ResolutionSource, number: number): ResolvableEvent {
  const event = source.event(number)
  if (event === undefined) throw new MissingEvents('events', [number])
  return event
}

/** The events of these numbers, in their order. Throws MissingEvents with all that are not there. */
export function loadedEvents(
  source: ResolutionSource,
  numbers: Iterable<number>,
): readonly ResolvableEvent[] {
  const found: ResolvableEvent[] = []
  const missing = new Set<number>()
  for (const number of numbers) {
    const event = source.event(number)
    if (event === undefined) missing.add(number)
    else found.push(event)
  }
  if (missing.size > 0) throw new MissingEvents('events', [...missing])
  return found
}

/** The links of each of these events. Throws MissingEvents with all that are not there. */
export function loadedLinks(
  source: ResolutionSource,
  numbers: Iterable<number>,
): readonly (readonly [number: number, links: AuthLinks])[] {
  const found: [number, AuthLinks][] = []
  const missing = new Set<number>()
  for (const number of numbers) {
    const links = source.links(number)
    if (links === undefined) missing.add(number)
    else found.push([number, links])
  }
  if (missing.size > 0) throw new MissingEvents('links', [...missing])
  return found
}

/** Why a resolution has stopped for the moment: to let others run, or until something is loaded. */
export type ResolutionPause =
  | { readonly kind: 'breathe' }
  | { readonly kind: 'load-nodes'; readonly ids: readonly NodeId[] }
  | { readonly kind: 'load-events'; readonly wants: 'events' | 'links'; readonly numbers: readonly number[] }

/** A part of a resolution, resumed by its caller until it returns. */
export type Resumable<T> = Generator<ResolutionPause, T, undefined>

/** A resolution has looked at more events than it may. Nothing has been changed by it. */
export class ResolutionTooLarge extends Error {
  override readonly name = 'ResolutionTooLarge'
}

/** Counts the work of one resolution. A unit is one auth event looked at; a check by the authorisation rules is ten. */
export class Meter {
  readonly #perTurn: number
  readonly #limit: number
  #total = 0
  #turnEnds: number

  /** `perTurn` units are done between two pauses, and at most `limit` in all. */
  constructor(perTurn: number, limit: number) {
    this.#perTurn = perTurn
    this.#limit = limit
    this.#turnEnds = perTurn
  }

  /** The units counted so far. */
  get total(): number {
    return this.#total
  }

  /** Counts units; true when it is time for a pause. Throws ResolutionTooLarge. */
  count(units: number): boolean {
    this.#total += units
    if (this.#total > this.#limit)
      throw new ResolutionTooLarge(`A resolution needs more than ${this.#limit} units.`)
    if (this.#total < this.#turnEnds) return false
    this.#turnEnds = this.#total + this.#perTurn
    return true
  }
}

/** Pauses if enough has been done since the last pause. */
export function* spend(meter: Meter, units: number): Resumable<void> {
  if (meter.count(units)) yield { kind: 'breathe' }
}

/** Runs `attempt`, and again each time that what it needed has been loaded. It must not depend on how often it runs. */
export function* settle<T>(attempt: () => T): Resumable<T> {
  for (;;) {
    try {
      return attempt()
    } catch (error) {
      if (error instanceof MissingNodes) yield { kind: 'load-nodes', ids: error.ids }
      else if (error instanceof MissingEvents)
        yield { kind: 'load-events', wants: error.wants, numbers: error.numbers }
      else throw error
    }
  }
}
