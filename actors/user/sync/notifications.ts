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

interface Prepared {
  /** A redaction changes what there is to count. */
  readonly redactedBy: number | undefined
  readonly counted: CountedEvent | Promise<CountedEvent>
}

export class Notifications {
  readonly #host: SyncHost
  /** By event number, the oldest first: each user's sync reads the events anew, so their objects differ. */
  readonly #prepared = new Map<number, Prepared>()
  /** By the event that sets them; those of a room without one are not worth keeping. */
  readonly #power = new WeakMap<StoredEvent, PowerLevels>()

  constructor(host: SyncHost) {
    this.#host = host
  }

  /** The event ready to be evaluated; a promise only the first time that anybody on this host asks. */
  prepare(entry: LogEntry, event: StoredEvent, room: Room): CountedEvent | Promise<CountedEvent> {
    const { nid, redactedBy } = event
    const known = this.#prepared.get(nid)
    if (known !== undefined && known.redactedBy === redactedBy) return known.counted
    const preparing = this.#prepare(entry, event, room).then(
      (counted) => {
        this.#prepared.set(nid, { redactedBy, counted })
        return counted
      },
      (error: unknown) => {
        this.#prepared.delete(nid)
        throw error
      },
    )
    this.#prepared.set(nid, { redactedBy, counted: preparing })
    if (this.#prepared.size > maxPrepared) dropOldest(this.#prepared, maxPrepared / 10)
    return preparing
  }

  async #prepare(entry: LogEntry, event: StoredEvent, room: Room): Promise<CountedEvent> {
    const content = this.#host.texts.content(event)
    const pushEvent = {
      type: event.type,
      sender: event.sender,
      content,
      state_key: event.stateKey,
      room_id: room.roomId,
      event_id: event.eventId,
    }
    // Only the event itself is looked at: what an edit or a reaction points to has been counted in its own thread.
    const thread = threadRootOf(content, () => undefined) ?? mainThread
    return { prepared: prepareEvent(pushEvent, await this.#pushRoom(entry, event, room)), thread }
  }

  async #pushRoom(entry: LogEntry, event: StoredEvent, room: Room): Promise<PushRoom> {
    const { counts, states } = this.#host
    const place = { roomNid: room.roomNid, pos: entry.pos, heardTo: this.#host.heardTo(room.roomNid) }
    const [members, [levels, create]] = await Promise.all([
      counts.about(place),
      entry.stateRoot === undefined ? [] : states.getMany(room.roomNid, entry.stateRoot, powerKeys),
    ])
    const power = this.#powerOf(room, levels, create)
    return {
      memberCount: members.joined,
      senderPower: power.userLevel(event.sender),
      notificationPower: (key) => power.notificationLevel(key),
    }
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
