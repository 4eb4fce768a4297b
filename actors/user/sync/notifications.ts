/** Events made ready for push rules, once per event and host; members of the host's rooms are then evaluated against it. */

import { creatorsOf } from '#protocol/events/read/create.ts'
import { readPowerLevels } from '#protocol/events/read/power-levels.ts'
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

export class Notifications {
  readonly #host: SyncHost
  readonly #prepared = new WeakMap<StoredEvent, CountedEvent | Promise<CountedEvent>>()

  constructor(host: SyncHost) {
    this.#host = host
  }

  /** The event ready to be evaluated; a promise only the first time that anybody on this host asks. */
  prepare(entry: LogEntry, event: StoredEvent, room: Room): CountedEvent | Promise<CountedEvent> {
    const known = this.#prepared.get(event)
    if (known !== undefined) return known
    const preparing = this.#prepare(entry, event, room).then(
      (counted) => {
        this.#prepared.set(event, counted)
        return counted
      },
      (error: unknown) => {
        this.#prepared.delete(event)
        throw error
      },
    )
    this.#prepared.set(event, preparing)
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
    const { counts, states, texts } = this.#host
    const place = { roomNid: room.roomNid, pos: entry.pos, heardTo: this.#host.heardTo(room.roomNid) }
    const [members, [levels, create]] = await Promise.all([
      counts.about(place),
      entry.stateRoot === undefined ? [] : states.getMany(room.roomNid, entry.stateRoot, powerKeys),
    ])
    const creators = create === undefined ? [] : creatorsOf(room.rules, create.sender, texts.content(create))
    const power = readPowerLevels(room.rules, levels && texts.content(levels), creators)
    return {
      memberCount: members.joined,
      senderPower: power.userLevel(event.sender),
      notificationPower: (key) => power.notificationLevel(key),
    }
  }
}
