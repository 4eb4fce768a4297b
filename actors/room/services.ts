/** What the parts of a room actor share beside the room itself: the activation's context, numbers, and the way to Postgres. */

import { serverOf, type UserId } from '#protocol/ids/user-id.ts'
import type { EventId } from '#protocol/ids/event-id.ts'
import { eventOfTxn } from '#storage/rooms/transactions.ts'
import type { LogRef } from '#storage/writes.ts'
import type { ActorContext } from '../runtime/contract.ts'
import { appendEvent, prepareEvent, type EventDraft, type EventStamp, type PreparedEvent } from './append.ts'
import { Batch } from './batch.ts'
import type { EventNumbers, RoomCore } from './core.ts'
import { chooseEventId } from './reference-hashes.ts'

export interface RoomServicesOptions {
  readonly context: ActorContext
  readonly serverName: string
  readonly numbers: EventNumbers
  readonly shardCount: number
  /** Told when a commit of this room has met a transaction key that the log had already. */
  readonly onSeen: () => void
  /** Whether such a thing happened: then the window in memory does not suffice to know a repeated transaction. */
  readonly asksForTransactions: boolean
}

/** The answer of everything that makes an event. */
export interface EventReply {
  readonly eventId: EventId
}

/** An event that has been appended; durable when the turn's reply is. */
export interface Posted {
  readonly eventId: EventId
  readonly ref: LogRef
}

export class RoomServices {
  readonly context: ActorContext
  readonly serverName: string
  readonly numbers: EventNumbers
  readonly shardCount: number
  readonly #onSeen: () => void
  readonly #asksForTransactions: boolean

  constructor(options: RoomServicesOptions) {
    this.context = options.context
    this.serverName = options.serverName
    this.numbers = options.numbers
    this.shardCount = options.shardCount
    this.#onSeen = options.onSeen
    this.#asksForTransactions = options.asksForTransactions
  }

  isLocal(userId: UserId): boolean {
    return serverOf(userId) === this.serverName
  }

  batch(): Batch {
    return new Batch(this.context.writes(), (userId) => this.isLocal(userId))
  }

  decide(batch: Batch): void {
    batch.decide(this.context, (error) => {
      if (error instanceof Error && error.name === 'SeenTransaction') this.#onSeen()
    })
  }

  /** The next event number; a promise only when a new block has to be fetched. */
  nextNumber(): number | Promise<number> {
    const nid = this.numbers.next()
    return nid ?? this.numbers.refill().then(() => this.nextNumber())
  }

  /** What an event that a local user wants now gets beside its number. */
  stamp(room: RoomCore, sender: UserId, nid: number): EventStamp {
    const { clock, random } = this.context
    return { nid, ts: clock.now(), eventId: chooseEventId(room.rules, sender, random) }
  }

  /** The event that an earlier request with this transaction key has made. */
  eventOfTxn(room: RoomCore, key: string): EventId | undefined | Promise<EventId | undefined> {
    const known = room.recent.eventOf(key)
    if (known !== undefined || !this.#asksForTransactions) return known
    return eventOfTxn(this.context.reads, key)
  }

  /**
   * Authorises, builds and appends one event, and decides it. `extra` may add rows to the same decision. Answers without a promise when nothing
   * has to be loaded. Throws as `prepareEvent` does.
   */
  post(
    room: RoomCore,
    draft: EventDraft,
    extra?: (batch: Batch, nid: number) => void,
  ): Posted | Promise<Posted> {
    const nid = this.nextNumber()
    if (typeof nid !== 'number') return nid.then((number) => this.#post(room, draft, number, extra))
    return this.#post(room, draft, nid, extra)
  }

  #post(
    room: RoomCore,
    draft: EventDraft,
    nid: number,
    extra: ((batch: Batch, nid: number) => void) | undefined,
  ): Posted | Promise<Posted> {
    const stamp = this.stamp(room, draft.sender, nid)
    const event = room.state.settle(() => prepareEvent(room, draft, stamp))
    if (event instanceof Promise) return event.then((ready) => this.#append(room, ready, extra))
    return this.#append(room, event, extra)
  }

  #append(
    room: RoomCore,
    event: PreparedEvent,
    extra: ((batch: Batch, nid: number) => void) | undefined,
  ): Posted {
    const batch = this.batch()
    const ref = appendEvent(room, batch, event)
    extra?.(batch, event.nid)
    this.decide(batch)
    return { eventId: event.built.eventId, ref }
  }
}
