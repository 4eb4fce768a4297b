/**
 * The recent entries of the rooms that a host follows. A ring knows from which position on it is complete; what is older has been
 * let go, by the room's own bound or because all rings together hold too much.
 */

import type { LogEntry } from '#storage/entry.ts'
import type { TypingMoment } from './wire.ts'

export interface RingLimits {
  readonly entriesPerRoom: number
  readonly entriesInAll: number
}

const none: readonly LogEntry[] = []

export class RoomRing {
  readonly roomId: string
  readonly shard: number
  /** How many want this room followed. */
  interest = 0
  typing: { readonly version: number; readonly userIds: readonly string[] } = { version: 0, userIds: [] }
  /** When the owner elsewhere said so. */
  typingSaidAt: TypingMoment | undefined
  /** Every row after this position is here; undefined: not established. */
  #start: number | undefined
  #entries: LogEntry[] = []

  constructor(roomId: string, shard: number) {
    this.roomId = roomId
    this.shard = shard
  }

  get size(): number {
    return this.#entries.length
  }

  get established(): boolean {
    return this.#start !== undefined
  }

  /** From now on the ring is complete after `from`; what was collected meanwhile stays. Returns how many entries it let go. */
  establish(from: number): number {
    const kept = this.#entries.filter((entry) => entry.pos > from)
    const dropped = this.#entries.length - kept.length
    this.#entries = kept
    this.#start = from
    return dropped
  }

  /** Nothing is known any more. Returns how many entries it let go. */
  clear(): number {
    const dropped = this.#entries.length
    this.#entries = []
    this.#start = undefined
    return dropped
  }

  push(entry: LogEntry): void {
    this.#entries.push(entry)
  }

  dropOldest(): void {
    const oldest = this.#entries.shift()
    if (oldest !== undefined && this.#start !== undefined) this.#start = oldest.pos
  }

  /** Ascending; undefined when the ring does not reach back so far. */
  after(pos: number): readonly LogEntry[] | undefined {
    if (this.#start === undefined || pos < this.#start) return undefined
    const entries = this.#entries
    let first = entries.length
    while (first > 0 && (entries[first - 1]?.pos ?? 0) > pos) first--
    return first === entries.length ? none : entries.slice(first)
  }
}

export class Rings {
  readonly #limits: RingLimits
  readonly #rooms = new Map<string, RoomRing>()
  readonly #byShard = new Map<number, Set<RoomRing>>()
  #count = 0

  constructor(limits: RingLimits) {
    this.#limits = limits
  }

  get(roomId: string): RoomRing | undefined {
    return this.#rooms.get(roomId)
  }

  inShard(shard: number): Iterable<RoomRing> {
    return this.#byShard.get(shard) ?? []
  }

  /** Counts one more interest. True when the room was not followed before. */
  follow(roomId: string, shard: number): boolean {
    const known = this.#rooms.get(roomId)
    const ring = known ?? new RoomRing(roomId, shard)
    ring.interest++
    if (known !== undefined) return false
    this.#rooms.set(roomId, ring)
    this.#byShard.getOrInsertComputed(shard, () => new Set()).add(ring)
    return true
  }

  /** Counts one interest less. True when nobody is interested any more. */
  unfollow(roomId: string): boolean {
    const ring = this.#rooms.get(roomId)
    if (ring === undefined || --ring.interest > 0) return false
    this.#count -= ring.clear()
    this.#rooms.delete(roomId)
    this.#byShard.get(ring.shard)?.delete(ring)
    return true
  }

  establish(ring: RoomRing, from: number): void {
    this.#count -= ring.establish(from)
  }

  clearShard(shard: number): void {
    for (const ring of this.inShard(shard)) this.#count -= ring.clear()
  }

  /** Puts an entry into its room's ring, if the room is followed. */
  push(entry: LogEntry): void {
    const ring = entry.roomId === undefined ? undefined : this.#rooms.get(entry.roomId)
    if (ring === undefined) return
    ring.push(entry)
    this.#count++
    if (ring.size > this.#limits.entriesPerRoom) this.#drop(ring)
    if (this.#count > this.#limits.entriesInAll) this.#shrink()
  }

  #drop(ring: RoomRing): void {
    ring.dropOldest()
    this.#count--
  }

  /** Halves every ring of more than a few entries: seldom, and then for long. */
  #shrink(): void {
    for (const ring of this.#rooms.values()) {
      for (let excess = ring.size - Math.max(8, ring.size >> 1); excess > 0; excess--) this.#drop(ring)
    }
  }
}
