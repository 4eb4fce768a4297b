/**
 * The newest events of rooms, as Postgres gave them to whoever asked last. They are good for the next one who asks, and for counting what is
 * unread, as long as this host hears of everything in the room and nothing has come: then an initial sync reads no events.
 */

import type { Reads } from '#storage/reads.ts'
import { readRelatedIds } from '#storage/sync/events.ts'
import { readEventsToCount, readTimelines, type RoomRange, type TimelineRange } from '#storage/sync/rooms.ts'
import { type EventEntry, isEventEntry } from './delta.ts'

interface Kept {
  /** Ascending. */
  readonly entries: readonly EventEntry[]
  /** Whether the room has no others. */
  readonly isWhole: boolean
  /** Ids of those to which nothing relates. */
  readonly alone: Set<string>
}

/** Longer pages are for clients that ask once. */
const maxPage = 51
const maxEvents = 20_000

export class NewestEvents {
  readonly #reads: Reads
  readonly #heardTo: (roomNid: number) => number
  /** By room number, the oldest first. */
  readonly #rooms = new Map<number, Kept>()
  #events = 0
  /** For each read that is under way, the rooms in which something has come since it began. */
  readonly #underWay = new Set<Set<number>>()

  /** `heardTo`: up to which position everything in a room is told to `forget`; −1 for a room of which it is not. */
  constructor(reads: Reads, heardTo: (roomNid: number) => number) {
    this.#reads = reads
    this.#heardTo = heardTo
  }

  /** An event has come, or may have. */
  forget(roomNid: number): void {
    for (const changed of this.#underWay) changed.add(roomNid)
    this.#drop(roomNid)
  }

  /** The newest events of each range, by room number, ascending. */
  async timelines(ranges: readonly TimelineRange[]): Promise<Map<number, readonly EventEntry[]>> {
    const pages = new Map<number, readonly EventEntry[]>()
    const missing: TimelineRange[] = []
    for (const range of ranges) {
      const entries = this.#find(range, range.limit)
      if (entries === undefined) missing.push(range)
      else pages.set(range.roomNid, entries.slice(-range.limit))
    }
    const mayKeep = new Set(missing.filter((range) => this.#mayKeep(range)))
    await this.#during(async (changed) => {
      const rows = await readTimelines(this.#reads, missing)
      for (const range of missing) {
        const entries = (rows.get(range.roomNid) ?? []).filter(isEventEntry)
        pages.set(range.roomNid, entries)
        if (mayKeep.has(range) && !changed.has(range.roomNid))
          this.#keep(range.roomNid, entries, entries.length < range.limit)
      }
    })
    return pages
  }

  /** The oldest events of each range, by room number, ascending. */
  async toCount(ranges: readonly TimelineRange[]): Promise<Map<number, readonly EventEntry[]>> {
    const pages = new Map<number, readonly EventEntry[]>()
    const missing: TimelineRange[] = []
    for (const range of ranges) {
      const entries = this.#find(range, Number.POSITIVE_INFINITY)
      if (entries === undefined || entries.length > range.limit) missing.push(range)
      else pages.set(range.roomNid, entries)
    }
    for (const [roomNid, entries] of await readEventsToCount(this.#reads, missing))
      pages.set(roomNid, entries.filter(isEventEntry))
    return pages
  }

  /** Ids of those of the events to which anything relates. */
  async related(
    events: readonly { readonly roomNid: number; readonly eventId: string }[],
  ): Promise<ReadonlySet<string>> {
    const asked = events.filter(
      ({ roomNid, eventId }) => this.#rooms.get(roomNid)?.alone.has(eventId) !== true,
    )
    return this.#during(async (changed) => {
      const related = await readRelatedIds(this.#reads, asked)
      for (const { roomNid, eventId } of asked)
        if (!related.has(eventId) && !changed.has(roomNid)) this.#rooms.get(roomNid)?.alone.add(eventId)
      return related
    })
  }

  /** The events of a range, or at least the newest `enough` of them; undefined where it is not certain that these are all. */
  #find({ roomNid, after, upTo }: RoomRange, enough: number): readonly EventEntry[] | undefined {
    const kept = this.#rooms.get(roomNid)
    if (kept === undefined || this.#heardTo(roomNid) < upTo) return undefined
    const { entries, isWhole } = kept
    if ((entries.at(-1)?.pos ?? 0) > upTo) return undefined
    const within = entries.filter((entry) => entry.pos > after)
    return isWhole || within.length < entries.length || within.length >= enough ? within : undefined
  }

  /** What is read of the range is all that there is, for what came after it would have been heard, or will be. */
  #mayKeep({ roomNid, after, upTo, limit }: TimelineRange): boolean {
    const heardTo = this.#heardTo(roomNid)
    return after === 0 && limit <= maxPage && heardTo >= 0 && heardTo <= upTo
  }

  #keep(roomNid: number, entries: readonly EventEntry[], isWhole: boolean): void {
    this.#drop(roomNid)
    this.#rooms.set(roomNid, { entries, isWhole, alone: new Set() })
    this.#events += entries.length
    if (this.#events <= maxEvents) return
    for (const oldest of this.#rooms.keys()) {
      this.#drop(oldest)
      if (this.#events <= maxEvents) return
    }
  }

  #drop(roomNid: number): void {
    this.#events -= this.#rooms.get(roomNid)?.entries.length ?? 0
    this.#rooms.delete(roomNid)
  }

  async #during<T>(read: (changed: ReadonlySet<number>) => Promise<T>): Promise<T> {
    const changed = new Set<number>()
    this.#underWay.add(changed)
    try {
      return await read(changed)
    } finally {
      this.#underWay.delete(changed)
    }
  }
}
