/**
 * Parts of rooms' logs that are in the rings, worked out once for all users of the host who are to be told the same.
 */

import type { LogEntry } from '#storage/entry.ts'
import { type EventEntry, deltaOf, isEventEntry, type RoomDelta } from './delta.ts'
import type { SyncHost } from './host.ts'
import { presentEvents, previousOf, type Previous } from './present.ts'
import type { Room } from './room-infos.ts'
import { deviceKeyOf } from './viewer.ts'

const maxFragments = 2000
/** A text that says the age of events may be used again for so long. Milliseconds. */
const textAgeMs = 500

export class Fragment {
  readonly room: Room
  readonly delta: RoomDelta
  readonly events: readonly EventEntry[]
  /** The state changed otherwise than by events, or an event was redacted since it came in: Postgres must be asked. */
  readonly needsDatabase: boolean
  /** Root of the room's state at the end. */
  readonly stateRoot: string | undefined
  readonly #previous: ReadonlyMap<number, Previous>
  #shared: { readonly text: string; readonly madeAtMs: number } | undefined

  constructor(room: Room, entries: readonly LogEntry[], previous: ReadonlyMap<number, Previous>) {
    this.room = room
    this.delta = deltaOf(entries)
    this.events = entries.filter(isEventEntry)
    this.needsDatabase = needsDatabase(entries, this.delta)
    this.stateRoot = entries.findLast((entry) => entry.stateRoot !== undefined)?.stateRoot
    this.#previous = previous
  }

  /** The events' texts, joined by commas, for a member who sees all of them. `deviceKey`: user and device of the reader. */
  text(host: SyncHost, deviceKey: string): string {
    const nowMs = host.clock.now()
    if (this.#isSender(deviceKey)) return this.#present(host, deviceKey, nowMs)
    if (this.#shared === undefined || nowMs - this.#shared.madeAtMs > textAgeMs) {
      this.#shared = { text: this.#present(host, undefined, nowMs), madeAtMs: nowMs }
    }
    return this.#shared.text
  }

  get previous(): ReadonlyMap<number, Previous> {
    return this.#previous
  }

  #isSender(deviceKey: string): boolean {
    return this.events.some(
      ({ event }) => event.txn !== undefined && deviceKeyOf(event.sender, event.txn.deviceId) === deviceKey,
    )
  }

  #present(host: SyncHost, deviceKey: string | undefined, nowMs: number): string {
    return presentEvents(this.events, {
      texts: host.texts,
      room: this.room,
      nowMs,
      deviceKey,
      membershipAt: () => 'join',
      previous: this.#previous,
    })
  }
}

export class Fragments {
  readonly #host: SyncHost
  readonly #known = new Map<string, Fragment | Promise<Fragment>>()

  constructor(host: SyncHost) {
    this.#host = host
  }

  /** The fragment of these entries, which are consecutive in the room's log and not empty. */
  get(room: Room, entries: readonly LogEntry[]): Fragment | Promise<Fragment> {
    // With the epochs, for a database that has lost commits gives their positions again.
    const [first, last] = [entries[0], entries.at(-1)]
    const key = `${room.roomNid} ${first?.pos} ${first?.epoch} ${last?.pos} ${last?.epoch}`
    const known = this.#known.get(key)
    if (known !== undefined) return known
    if (this.#known.size >= maxFragments) this.#known.clear()
    if (!entries.some((entry) => entry.event?.stateKey !== undefined)) {
      const fragment = new Fragment(room, entries, new Map())
      this.#known.set(key, fragment)
      return fragment
    }
    const making = this.#withPrevious(room, entries)
    this.#known.set(key, making)
    making.then(
      (fragment) => this.#known.set(key, fragment),
      () => this.#known.delete(key),
    )
    return making
  }

  async #withPrevious(room: Room, entries: readonly LogEntry[]): Promise<Fragment> {
    const previous = await previousOf(this.#host, room, entries.filter(isEventEntry))
    return new Fragment(room, entries, previous)
  }
}

function needsDatabase(entries: readonly LogEntry[], delta: RoomDelta): boolean {
  if (delta.resolved) return true
  // The ring holds events as they were when they came; a redaction that came with its target would be undone.
  return entries.length > 1 && entries.some((entry) => entry.event?.type === 'm.room.redaction')
}
