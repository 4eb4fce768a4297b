/**
 * What all syncing users of a host share: the feed, and what has been worked out for one and serves the others. It takes
 * what the feed hands on and tells exactly those users whom it concerns.
 */

import type { NodeId } from '#protocol/state/trie-node.ts'
import type { LogEntry } from '#storage/entry.ts'
import type { Reads } from '#storage/reads.ts'
import { type RoomAt, rootsAt } from '#storage/rooms/rooms.ts'
import { Gatherer } from '#storage/sync/gatherer.ts'
import type { Heads } from '#storage/sync/heads.ts'
import { StateViews } from '#storage/sync/state.ts'
import type { LogFeed } from '../../follow/feed.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { EphemeralEvent } from '../../runtime/contract.ts'
import { RoomCounts } from './counts.ts'
import { Fragments } from './fragments.ts'
import { NewestEvents } from './newest-events.ts'
import { Notifications } from './notifications.ts'
import { FilterCache } from './request.ts'
import { RoomInfos } from './room-infos.ts'
import { EventTexts } from './texts.ts'

/** The host's feed (`follow/follower.ts`). */
export interface SyncFeed extends LogFeed {
  /** The incarnation of the database as read last; 0 before that. */
  readonly incarnation: number
  /** Heads and incarnation by a statement that begins after this call. */
  readHeadsNow(): Promise<Heads>
}

/** A user who is told of what concerns him. */
export interface SyncListener {
  /** A row of his own. */
  ownRow(entry: LogEntry): void
  /** A row of a room that he listens to. */
  roomRow(entry: LogEntry): void
  typingChanged(event: EphemeralEvent): void
  /** What is known of a shard is no longer complete, or something happened there that nobody hands on. */
  broken(shard: number): void
  /** All rows of a batch have been told. */
  wake(): void
}

export interface SyncHostOptions {
  readonly feed: SyncFeed
  readonly reads: Reads
  readonly clock: Clock
}

export class SyncHost implements Disposable {
  readonly feed: SyncFeed
  readonly reads: Reads
  readonly clock: Clock
  readonly rooms: RoomInfos
  readonly states: StateViews
  /** The root of a room's state at a position. */
  readonly roots: Gatherer<RoomAt, NodeId>
  readonly counts: RoomCounts
  readonly newest: NewestEvents
  readonly texts = new EventTexts()
  readonly filters = new FilterCache()
  readonly notifications: Notifications
  readonly fragments: Fragments
  readonly #users = new Map<string, SyncListener>()
  readonly #rooms = new Map<string, { readonly shard: number; readonly listeners: Set<SyncListener> }>()
  readonly #roomIds = new Map<number, string>()
  readonly #unhook: (() => void)[]

  constructor(options: SyncHostOptions) {
    this.feed = options.feed
    this.reads = options.reads
    this.clock = options.clock
    this.rooms = new RoomInfos(options.reads)
    this.states = new StateViews(options.reads, (roomNid) => this.hears(roomNid))
    this.roots = new Gatherer(async (places) => {
      const roots = await rootsAt(options.reads, places)
      return new Map(places.flatMap((place, i) => (roots[i] === undefined ? [] : [[place, roots[i]]])))
    })
    this.counts = new RoomCounts(options.reads)
    this.newest = new NewestEvents(options.reads, (roomNid) => this.heardTo(roomNid))
    this.notifications = new Notifications(this)
    this.fragments = new Fragments(this)
    this.#unhook = [
      options.feed.onEntries((shard, entries) => this.#onEntries(shard, entries)),
      options.feed.onEphemeral((event) => this.#onEphemeral(event)),
      options.feed.onBroken((shard) => this.#onBroken(shard)),
    ]
  }

  [Symbol.dispose](): void {
    for (const unhook of this.#unhook) unhook()
  }

  /** From now on the user's own rows are told. Returns a function that ends it. */
  addUser(userId: string, listener: SyncListener): () => void {
    this.#users.set(userId, listener)
    return () => {
      if (this.#users.get(userId) === listener) this.#users.delete(userId)
    }
  }

  /** From now on the room's rows are told; its ring is kept as long as anybody listens. */
  listen(room: { roomId: string; roomNid: number; shard: number }, listener: SyncListener): void {
    const known = this.#rooms.get(room.roomId)
    if (known !== undefined) {
      known.listeners.add(listener)
      return
    }
    this.#rooms.set(room.roomId, { shard: room.shard, listeners: new Set([listener]) })
    this.#roomIds.set(room.roomNid, room.roomId)
    this.#forgetRoom(room.roomNid)
    this.feed.follow(room.roomId, room.shard)
  }

  unlisten(room: { roomId: string; roomNid: number; shard: number }, listener: SyncListener): void {
    const known = this.#rooms.get(room.roomId)
    if (known === undefined || !known.listeners.delete(listener) || known.listeners.size > 0) return
    this.#rooms.delete(room.roomId)
    this.#roomIds.delete(room.roomNid)
    this.#forgetRoom(room.roomNid)
    this.feed.unfollow(room.roomId, room.shard)
  }

  /** Whether every row of a room reaches this host at present. */
  hears(roomNid: number): boolean {
    return this.heardTo(roomNid) >= 0
  }

  /** Up to which position every row of a room has reached this host; −1 where that is not known. */
  heardTo(roomNid: number): number {
    const roomId = this.#roomIds.get(roomNid)
    const shard = roomId === undefined ? undefined : this.#rooms.get(roomId)?.shard
    if (roomId === undefined || shard === undefined) return -1
    const proven = this.feed.provenTo(shard)
    if (proven === undefined || this.feed.entriesAfter(roomId, shard, proven) === undefined) return -1
    return proven
  }

  #forgetRoom(roomNid: number): void {
    this.states.forgetEvents(roomNid)
    this.counts.forget(roomNid)
    this.newest.forget(roomNid)
    this.notifications.forget(roomNid)
  }

  #onEntries(shard: number, entries: readonly LogEntry[]): void {
    const woken = new Set<SyncListener>()
    for (const entry of entries) this.#tell(entry, woken)
    for (const listener of woken) listener.wake()
  }

  #tell(entry: LogEntry, woken: Set<SyncListener>): void {
    if (entry.roomNid !== undefined) {
      if (entry.membership !== undefined) this.counts.changed(entry.roomNid, entry.pos)
      if (entry.kind === 'event') this.newest.forget(entry.roomNid)
      if (entry.event?.type === 'm.room.redaction') {
        this.states.forgetEvents(entry.roomNid)
        this.notifications.forget(entry.roomNid)
      }
    }
    // First the user himself: what a row makes of him decides what rooms he is told of.
    const user = entry.userId === undefined ? undefined : this.#users.get(entry.userId)
    if (user !== undefined) {
      user.ownRow(entry)
      woken.add(user)
    }
    const room = entry.roomId === undefined ? undefined : this.#rooms.get(entry.roomId)
    if (room === undefined) return
    for (const listener of room.listeners) {
      listener.roomRow(entry)
      woken.add(listener)
    }
  }

  #onEphemeral(event: EphemeralEvent): void {
    for (const listener of this.#rooms.get(event.roomId)?.listeners ?? []) {
      listener.typingChanged(event)
      listener.wake()
    }
  }

  #onBroken(shard: number): void {
    this.counts.broken()
    for (const [roomNid, roomId] of this.#roomIds) {
      if (this.#rooms.get(roomId)?.shard === shard) this.#forgetRoom(roomNid)
    }
    for (const listener of this.#users.values()) listener.broken(shard)
  }
}
