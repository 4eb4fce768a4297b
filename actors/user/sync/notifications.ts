/** Events made ready for push rules, once per event and host; members of the host's rooms are then evaluated against it. */

import { creatorsOf } from '#protocol/events/read/create.ts'
import { type PowerLevels, readPowerLevels } from '#protocol/events/read/power-levels.ts'
import { type PreparedEvent, prepareEvent } from '#protocol/push/evaluate.ts'
import type { PushRoom } from '#protocol/push/prepared-event.ts'
import { threadRootOf } from '#protocol/relations/relates-to.ts'
import type { LogEntry, StoredEvent } from '#storage/entry.ts'
import type { SyncHost } from './host.ts'
import type { Room } from './room-infos.ts'

/** An event with what its unread counts depend on. */
export interface CountedEvent {
  readonly prepared: PreparedEvent
  /** The root of the thread that it belongs to; `main` for none. */
  readonly thread: string
}

export const mainThread = 'main'

const powerKeys = [
  ['m.room.power_levels', ''],
  ['m.room.create', ''],
] as const

/** So many events stay ready: what the users of a busy host read in the same minutes. */
const maxPrepared = 10_000
const maxRooms = 5000

interface Prepared {
  /** A redaction changes what there is to count. */
  readonly redactedBy: number | undefined
  readonly counted: CountedEvent | Promise<CountedEvent>
}

/** Who may do what in a room, by the root of its state. */
interface Powers {
  readonly root: string
  power: PowerLevels | Promise<PowerLevels>
}

export class Notifications {
  readonly #host: SyncHost
  /** By event number, the oldest first: their objects may differ from one sync to the next. */
  readonly #prepared = new Map<number, Prepared>()
  /** By room number, of the state that was asked for last: most events change none. */
  readonly #latest = new Map<number, Powers>()
  /** By the event that sets them; those of a room without one are not worth keeping. */
  readonly #power = new WeakMap<StoredEvent, PowerLevels>()

  constructor(host: SyncHost) {
    this.#host = host
  }

  /** Events of the room's state may have been redacted. */
  forget(roomNid: number): void {
    this.#latest.delete(roomNid)
  }

  /** The event ready to be evaluated; a promise only where something has to be looked up for it. */
  prepare(entry: LogEntry, event: StoredEvent, room: Room): CountedEvent | Promise<CountedEvent> {
    const { nid, redactedBy } = event
    const known = this.#prepared.get(nid)
    if (known !== undefined && known.redactedBy === redactedBy) return known.counted
    const counted = this.#prepare(entry, event, room)
    this.#prepared.set(nid, { redactedBy, counted })
    if (this.#prepared.size > maxPrepared) dropOldest(this.#prepared, maxPrepared / 10)
    if (!(counted instanceof Promise)) return counted
    return counted.then(
      (done) => {
        this.#prepared.set(nid, { redactedBy, counted: done })
        return done
      },
      (error: unknown) => {
        this.#prepared.delete(nid)
        throw error
      },
    )
  }

  #prepare(entry: LogEntry, event: StoredEvent, room: Room): CountedEvent | Promise<CountedEvent> {
    const { roomNid } = room
    const members = this.#host.counts.about({ roomNid, pos: entry.pos, heardTo: this.#host.heardTo(roomNid) })
    const power = this.#powerAt(room, entry.stateRoot)
    return members instanceof Promise || power instanceof Promise
      ? Promise.all([members, power]).then(([m, p]) => this.#counted(event, room, m.joined, p))
      : this.#counted(event, room, members.joined, power)
  }

  #counted(event: StoredEvent, room: Room, memberCount: number, power: PowerLevels): CountedEvent {
    const content = this.#host.texts.content(event)
    const pushEvent = {
      type: event.type,
      sender: event.sender,
      content,
      state_key: event.stateKey,
      room_id: room.roomId,
      event_id: event.eventId,
    }
    const pushRoom: PushRoom = {
      memberCount,
      senderPower: power.userLevel(event.sender),
      notificationPower: (key) => power.notificationLevel(key),
    }
    // Only the event itself is looked at: what an edit or a reaction points to has been counted in its own thread.
    const thread = threadRootOf(content, () => undefined) ?? mainThread
    return { prepared: prepareEvent(pushEvent, pushRoom), thread }
  }

  #powerAt(room: Room, root: string | undefined): PowerLevels | Promise<PowerLevels> {
    if (root === undefined) return this.#powerOf(room, undefined, undefined)
    const known = this.#latest.get(room.roomNid)
    if (known?.root === root) return known.power
    const reading = this.#host.states
      .getMany(room.roomNid, root, powerKeys)
      .then(([levels, create]) => this.#powerOf(room, levels, create))
    const powers: Powers = { root, power: reading }
    reading.then(
      (power) => (powers.power = power),
      () => this.forget(room.roomNid),
    )
    if (!this.#host.hears(room.roomNid)) return reading
    if (this.#latest.size >= maxRooms) this.#latest.clear()
    this.#latest.set(room.roomNid, powers)
    return reading
  }

  #powerOf(room: Room, levels: StoredEvent | undefined, create: StoredEvent | undefined): PowerLevels {
    const known = levels && this.#power.get(levels)
    if (known !== undefined) return known
    const { texts } = this.#host
    const creators = create === undefined ? [] : creatorsOf(room.rules, create.sender, texts.content(create))
    const power = readPowerLevels(room.rules, levels && texts.content(levels), creators)
    if (levels !== undefined) this.#power.set(levels, power)
    return power
  }
}

function dropOldest(map: Map<number, unknown>, count: number): void {
  for (const key of map.keys().take(count)) map.delete(key)
}
