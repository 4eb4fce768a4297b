/**
 * What the resolution of states asks for, and how it asks: lookups are synchronous, and one that needs what is not in
 * memory throws. The driver of a resolution turns that into a pause, in which its caller loads what is named.
 */
import type { CheckedEvent } from '../auth/auth-event.ts'
import type { NodeId } from './trie-node.ts'
import { MissingNodes } from './trie.ts'
import type { NodeSource, TrieWalk } from './trie.ts'

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
  /** The links alone, which a caller can hold for many more events. Not asked for where the event is there. */
  links(number: number): AuthLinks | undefined
  /** The numbers of all state events of the room that have this event among their auth events. */
  citing(number: number): readonly number[] | undefined
}

/** What of an event is needed: all that the algorithms look at, its links, or the links to it. */
export type EventPart = 'events' | 'links' | 'citing'

/** Events that are needed and not in memory, or parts of them. Load them and repeat the call. */
export class MissingEvents extends Error {
  override readonly name = 'MissingEvents'
  readonly wants: EventPart
  readonly numbers: readonly number[]

  constructor(wants: EventPart, numbers: readonly number[]) {
    super(`${numbers.length} ${wants} are not in memory, those of event ${numbers[0]} among them.`)
    this.wants = wants
    this.numbers = numbers
  }
}

/** The event of this number. Throws MissingEvents. */
export function loadedEvent(source: ResolutionSource, number: number): ResolvableEvent {
  return source.event(number) ?? missing('events', number)
}

/** The links of the event of this number. Throws MissingEvents. */
export function loadedLinks(source: ResolutionSource, number: number): AuthLinks {
  return linksOf(source, number) ?? missing('links', number)
}

/** The numbers of the state events that cite this one. Throws MissingEvents. */
export function loadedCiting(source: ResolutionSource, number: number): readonly number[] {
  return source.citing(number) ?? missing('citing', number)
}

function linksOf(source: ResolutionSource, number: number): AuthLinks | undefined {
  return source.event(number) ?? source.links(number)
}

function missing(wants: EventPart, number: number): never {
  throw new MissingEvents(wants, [number])
}

/** Why a resolution has stopped for the moment: to let others run, or until something is loaded. */
export type ResolutionPause =
  | { readonly kind: 'breathe' }
  | { readonly kind: 'load-nodes'; readonly ids: readonly NodeId[] }
  | { readonly kind: 'load-events'; readonly wants: EventPart; readonly numbers: readonly number[] }

/** A part of a resolution, resumed by its caller until it returns. */
export type Resumable<T> = Generator<ResolutionPause, T, undefined>

/** A resolution has looked at more events than it may. Nothing has been changed by it. */
export class ResolutionTooLarge extends Error {
  override readonly name = 'ResolutionTooLarge'
}

/**
 * Counts the work of one resolution. A unit is one event looked at, which takes about a microsecond once the code is warm; a step in the state
 * trie is five, a check by the authorisation rules ten.
 */
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

/** What every step of a resolution reads from, and counts its work by. */
export interface MeteredSource {
  readonly source: ResolutionSource
  readonly meter: Meter
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

/** How many nodes or events are asked for at once: to load them is work as well. */
const loadSize = 512

/** The units that a step of a walk through the state trie stands for. */
const stepUnits = 5

/** Runs a walk through the state trie. */
export function* walkTrie<T>(meter: Meter, walk: TrieWalk<T>): Resumable<T> {
  for (;;) {
    const step = walk.next()
    if (step.done === true) return step.value
    for (let at = 0; at < step.value.length; at += loadSize)
      yield { kind: 'load-nodes', ids: step.value.slice(at, at + loadSize) }
    if (meter.count(stepUnits)) yield { kind: 'breathe' }
  }
}

/**
 * Has these events loaded, or parts of them, before they are looked at one by one, so that as few pauses as possible are for
 * loading.
 */
export function* loadAhead(
  { source, meter }: MeteredSource,
  wants: EventPart,
  numbers: Iterable<number>,
): Resumable<void> {
  const absent = new Set<number>()
  for (const number of numbers) {
    if (!isLoaded(source, wants, number)) absent.add(number)
    if (absent.size === loadSize) {
      yield { kind: 'load-events', wants, numbers: [...absent] }
      absent.clear()
    }
    if (meter.count(1)) yield { kind: 'breathe' }
  }
  if (absent.size > 0) yield { kind: 'load-events', wants, numbers: [...absent] }
}

/** Whether this part of an event is in memory. */
export function isLoaded(source: ResolutionSource, wants: EventPart, number: number): boolean {
  if (wants === 'events') return source.event(number) !== undefined
  if (wants === 'links') return linksOf(source, number) !== undefined
  return source.citing(number) !== undefined
}
