/**
 * The host's side of following: rings, chains, and the poll of all heads that finds out what the bus has lost.
 */

import type { LogEntry } from '#storage/entry.ts'
import { leastEpoch } from '#storage/cluster/incarnation.ts'
import type { Reads } from '#storage/reads.ts'
import { type Heads, readSyncHeads } from '#storage/sync/heads.ts'
import type { Bus, BusMessage, BusSubscription } from '../bus/bus.ts'
import { hostSubject, logSubject } from '../bus/subjects.ts'
import type { Clock, Random, Timer } from '../runtime/clock.ts'
import type { CommittedBatch } from '../runtime/committed.ts'
import type { EphemeralEvent } from '../runtime/contract.ts'
import { Chain } from './chain.ts'
import { reportFollow } from './events.ts'
import type { LogFeed } from './feed.ts'
import type { LocalFollower, TypingInRooms } from './leader.ts'
import { Rings } from './rings.ts'
import { FollowRequests } from './requests.ts'
import { type ChainMessage, type FollowReply, isSaidBefore, type TypingMoment } from './wire.ts'
import { readHostMessage } from './wire.ts'

export interface HostFeedOptions {
  readonly bus: Bus
  readonly clock: Clock
  readonly random: Random
  readonly reads: Reads
  readonly shardCount: number
  readonly entriesPerRoom?: number
  readonly entriesInAll?: number
}

/** Between two polls of all heads while all is well, and while it is not. Milliseconds. */
const calmPollMs = 3000
const alertPollMs = 1000
/** For so long after a reconnection not all is well: a node of the bus may not know yet who listens at the others. */
const alertMs = 10_000
/** A head that the chain has not reached after so long was announced by a message that is lost. Milliseconds. */
const lostAfterMs = 1000

type EntriesListener = (shard: number, entries: readonly LogEntry[]) => void

export class HostFeed implements LogFeed, LocalFollower, AsyncDisposable {
  readonly #options: HostFeedOptions
  readonly #chains: readonly Chain[]
  readonly #rings: Rings
  readonly #requests: FollowRequests
  readonly #entriesListeners = new Set<EntriesListener>()
  readonly #ephemeralListeners = new Set<(event: EphemeralEvent) => void>()
  readonly #brokenListeners = new Set<(shard: number) => void>()
  /** Of the shards of this host. */
  readonly #typingHere = new Map<number, TypingInRooms>()
  readonly #seenHeads: number[]
  #subscriptions: BusSubscription[] = []
  #hostId: string | undefined
  #hostSubscription: Promise<BusSubscription> | undefined
  #heads: Promise<Heads> | undefined
  #pollTimer: Timer | undefined
  #alertUntilMs = Number.NEGATIVE_INFINITY
  #endHealth: (() => void) | undefined
  #incarnation = 0
  #closed = false

  constructor(options: HostFeedOptions) {
    this.#options = options
    this.#chains = Array.from({ length: options.shardCount }, (_, shard) => new Chain(shard))
    this.#seenHeads = this.#chains.map(() => 0)
    this.#rings = new Rings({
      entriesPerRoom: options.entriesPerRoom ?? 200,
      entriesInAll: options.entriesInAll ?? 100_000,
    })
    this.#requests = new FollowRequests({
      ...options,
      hostId: () => this.#hostId,
      roomsOf: (shard) => [...this.#rings.inShard(shard)].map((ring) => ring.roomId),
      chainOf: (shard) => this.#chainFor(shard),
      onReply: (shard, reply) => this.#onReply(shard, reply),
    })
  }

  /** Listens on the bus and begins to poll. Rejects when Postgres cannot be read. */
  async start(): Promise<void> {
    const subscribing = this.#chains.map(({ shard }) =>
      this.#options.bus.subscribe(logSubject(shard), (message) => this.#onAnnouncement(shard, message)),
    )
    this.#subscriptions = await Promise.all(subscribing)
    await this.poll()
    this.#schedulePoll()
    this.#endHealth = this.#options.bus.onHealth(() => this.#beAlert())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    this.#endHealth?.()
    this.#pollTimer?.cancel()
    this.#requests.close()
    this.#leaveHost()
    await Promise.allSettled(this.#subscriptions.map((subscription) => subscription.close()))
  }

  // What users of the feed call.

  get shardCount(): number {
    return this.#chains.length
  }

  /** The incarnation of the database, as read last; 0 before the first poll. */
  get incarnation(): number {
    return this.#incarnation
  }

  follow(roomId: string, shard: number): void {
    if (!this.#rings.follow(roomId, shard)) return
    const ring = this.#rings.get(roomId)
    const chain = this.#chain(shard)
    if (ring === undefined || chain.state !== 'local') return this.#requests.ask(shard)
    this.#rings.establish(ring, chain.proven ?? 0)
    ring.typing = { version: 1, userIds: this.#typingHere.get(shard)?.get(roomId) ?? [] }
  }

  unfollow(roomId: string, _shard: number): void {
    this.#rings.unfollow(roomId)
  }

  entriesAfter(roomId: string, shard: number, after: number): readonly LogEntry[] | undefined {
    if (this.provenTo(shard) === undefined) return undefined
    return this.#rings.get(roomId)?.after(after)
  }

  provenTo(shard: number): number | undefined {
    const { epoch, proven } = this.#chain(shard)
    // An owner who has not noticed yet that the database went back goes on telling of what was.
    return epoch < leastEpoch(this.#incarnation) ? undefined : proven
  }

  typing(roomId: string): { readonly version: number; readonly userIds: readonly string[] } {
    return this.#rings.get(roomId)?.typing ?? { version: 0, userIds: [] }
  }

  /** Those who ask while a statement has not been sent yet share it; one that is under way is never joined. */
  async readHeads(): Promise<readonly number[]> {
    return (await this.readHeadsNow()).positions
  }

  /** The heads with the incarnation, committed values of a statement begun after this call. */
  readHeadsNow(): Promise<Heads> {
    this.#heads ??= Promise.resolve().then(() => {
      this.#heads = undefined
      return this.#readHeads()
    })
    return this.#heads
  }

  onEntries(listener: EntriesListener): () => void {
    return addTo(this.#entriesListeners, listener)
  }

  onEphemeral(listener: (event: EphemeralEvent) => void): () => void {
    return addTo(this.#ephemeralListeners, listener)
  }

  onBroken(listener: (shard: number) => void): () => void {
    return addTo(this.#brokenListeners, listener)
  }

  // What the leader of this host calls.

  /** This process goes on as another host: what was to be sent to the one before does not arrive any more. */
  host(hostId: string): void {
    this.#leaveHost()
    this.#hostId = hostId
    this.#hostSubscription = this.#options.bus.subscribe(hostSubject(hostId), (message) =>
      this.#onMessage(message),
    )
    this.#hostSubscription.catch((error: unknown) => reportFollow({ what: 'request-failed', error }))
    for (const { shard, state } of this.#chains) {
      if (state === 'local') continue
      if (state !== 'unknown') this.#break(shard, 'this process is another host')
      this.#requests.ask(shard)
    }
  }

  claimed(
    shard: number,
    { epoch, head }: { readonly epoch: number; readonly head: number },
    typing: TypingInRooms,
  ): void {
    this.#typingHere.set(shard, typing)
    const chain = this.#chain(shard)
    if (chain.state !== 'unknown') this.#break(shard, 'claimed by this host')
    chain.enterLocal(epoch, head)
    for (const ring of this.#rings.inShard(shard)) {
      this.#rings.establish(ring, head)
      // Who was typing under the owner before has to say so again.
      if (ring.typing.userIds.length > 0)
        this.ephemeral({ roomId: ring.roomId, type: 'm.typing', userIds: [] })
    }
    reportFollow({ what: 'established', shard })
    // From now on rows of this shard's users are wanted, and the owners of other shards do not know that yet: what their
    // chains prove so far leaves these rows out.
    if (!this.#requests.ownUserShard(shard)) return
    for (const { shard: other, state } of this.#chains) {
      if (state === 'local') continue
      if (state !== 'unknown') this.#break(other, 'users of another shard')
      this.#requests.ask(other)
    }
  }

  lost(shard: number): void {
    this.#requests.disownUserShard(shard)
    this.#typingHere.delete(shard)
    if (this.#chain(shard).state === 'local') this.#break(shard, 'given up by this host')
    this.#requests.ask(shard)
  }

  committed(batch: CommittedBatch): void {
    const chain = this.#chain(batch.shard)
    if (chain.state !== 'local' || chain.epoch !== batch.epoch) return
    if (chain.proven !== batch.prev) {
      // Two commits in the wrong order: nothing may be concluded from what comes between.
      this.#break(batch.shard, 'commits out of order')
      chain.enterLocal(batch.epoch, batch.prev)
      for (const ring of this.#rings.inShard(batch.shard)) this.#rings.establish(ring, batch.prev)
    }
    chain.advance(batch.to)
    this.#handOn(batch.shard, batch.entries)
  }

  ephemeral(event: EphemeralEvent): void {
    const ring = this.#rings.get(event.roomId)
    if (ring === undefined) return
    ring.typing = { version: ring.typing.version + 1, userIds: event.userIds }
    for (const listener of this.#ephemeralListeners) listener(event)
  }

  #leaveHost(): void {
    this.#hostSubscription?.then(
      (subscription) => subscription.close(),
      () => {},
    )
  }

  // What comes from other hosts.

  #onMessage(message: BusMessage): void {
    const read = readHostMessage(message)
    if (read?.kind === 'ephemeral') this.#onEphemeral(read.event, read.at)
    if (read?.kind === 'entries') this.receive(read.message)
  }

  #onEphemeral(event: EphemeralEvent, at: TypingMoment | undefined): void {
    const ring = this.#rings.get(event.roomId)
    // Of a room of this host only an owner of before still speaks, and nobody would ever say that it is so no more.
    if (ring === undefined || this.#chain(ring.shard).state === 'local') return
    if (isSaidBefore(at, ring.typingSaidAt)) return
    ring.typingSaidAt = at
    this.ephemeral(event)
  }

  /** Takes a message of a shard's owner. */
  receive(message: ChainMessage): void {
    const chain = this.#chains[message.shard]
    if (chain === undefined) return
    const before = chain.proven ?? 0
    const verdict = chain.accept(message)
    if (verdict === 'next') {
      const { shard, prev, entries } = message
      this.#handOn(shard, prev < before ? entries.filter((entry) => entry.pos > before) : entries)
    }
    if (verdict === 'broken') this.#restart(message.shard, 'a message is missing')
  }

  #onReply(shard: number, reply: FollowReply): void {
    const chain = this.#chain(shard)
    if (chain.state === 'chained' && (!reply.resumed || reply.epoch !== chain.epoch)) {
      return this.#restart(shard, 'the owner knows nothing of the chain')
    }
    if (chain.state !== 'asking' && chain.state !== 'chained') return
    const isNew = chain.state === 'asking'
    const waiting = isNew ? chain.enterChained(reply.epoch, reply.from) : []
    const asked = this.#requests.roomsAsked(shard)
    for (const ring of this.#rings.inShard(shard)) {
      if (!ring.established && asked.has(ring.roomId)) this.#rings.establish(ring, reply.from)
    }
    this.#takeTyping(shard, asked, reply)
    if (isNew) reportFollow({ what: 'established', shard })
    for (const message of waiting) this.receive(message)
  }

  /** Whom the owner does not name is not typing, whoever the owner before said was; what has changed since he answered may have come already. */
  #takeTyping(shard: number, asked: ReadonlySet<string>, { epoch, typed, typing }: FollowReply): void {
    const at = typed === undefined ? undefined : { epoch, typed }
    for (const ring of this.#rings.inShard(shard)) {
      const { roomId } = ring
      const userIds = typing[roomId] ?? []
      if (!asked.has(roomId) || isSaidBefore(at, ring.typingSaidAt)) continue
      ring.typingSaidAt = at
      if (ring.typing.userIds.join() !== userIds.join()) this.ephemeral({ roomId, type: 'm.typing', userIds })
    }
  }

  #onAnnouncement(shard: number, message: BusMessage): void {
    const { epoch, head } = message.head as { readonly epoch?: unknown; readonly head?: unknown }
    const chain = this.#chain(shard)
    if (typeof epoch !== 'number' || typeof head !== 'number' || chain.state === 'local') return
    if (chain.state === 'chained' && epoch > chain.epoch) this.#restart(shard, 'a new epoch')
    this.#onHead(shard, head)
  }

  #handOn(shard: number, entries: readonly LogEntry[]): void {
    if (entries.length === 0) return
    for (const entry of entries) this.#rings.push(entry)
    for (const listener of this.#entriesListeners) listener(shard, entries)
  }

  #break(shard: number, why: string): void {
    this.#chain(shard).enterUnknown()
    this.#rings.clearShard(shard)
    reportFollow({ what: 'broken', shard, why })
    for (const listener of this.#brokenListeners) listener(shard)
  }

  #restart(shard: number, why: string): void {
    this.#break(shard, why)
    this.#requests.ask(shard)
  }

  /** The number of the chain to be asked for, or undefined where there is nothing to ask. */
  #chainFor(shard: number): number | undefined {
    const chain = this.#chain(shard)
    if (chain.state === 'local') return undefined
    if (chain.state === 'unknown') chain.enterAsking(Math.floor(this.#options.random.fraction() * 2 ** 48))
    return chain.number
  }

  // Polling.

  /** Reads all heads and looks which chains should have come further. Called by the timer; tests call it themselves. */
  async poll(): Promise<void> {
    const heads = await this.#readHeads()
    for (const [shard, head] of heads.positions.entries()) {
      if (shard < this.#chains.length) this.#onHead(shard, head)
    }
  }

  async #readHeads(): Promise<Heads> {
    const heads = await readSyncHeads(this.#options.reads)
    if (heads.incarnation > this.#incarnation) this.#begin(heads.incarnation)
    return heads
  }

  /** The database has lost commits: what was heard under epochs of before says nothing of the logs as they are now. */
  #begin(incarnation: number): void {
    this.#incarnation = incarnation
    // Logs may have become shorter, and what comes after is news all the same.
    this.#seenHeads.fill(0)
    for (const { epoch, proven, shard } of this.#chains)
      if (proven !== undefined && epoch < leastEpoch(incarnation))
        this.#restart(shard, 'the database has lost commits')
  }

  #onHead(shard: number, head: number): void {
    const chain = this.#chain(shard)
    const rose = head > (this.#seenHeads[shard] ?? 0)
    if (rose) this.#seenHeads[shard] = head
    if (chain.proven === undefined) {
      // Nobody else says that something happened here.
      if (rose) for (const listener of this.#brokenListeners) listener(shard)
      return
    }
    if (chain.state !== 'chained' || head <= chain.proven) return
    if (chain.lag !== undefined) return
    const lag = { head }
    chain.lag = lag
    this.#options.clock.after(lostAfterMs, () => {
      if (chain.lag === lag && !this.#closed) this.#restart(shard, 'the head is above the chain')
    })
  }

  #beAlert(): void {
    this.#alertUntilMs = this.#options.clock.monotonic() + alertMs
    // While a poll is under way there is no timer, and the next one is set by the time that now holds.
    if (this.#pollTimer === undefined) return
    this.#pollTimer.cancel()
    this.#schedulePoll()
  }

  #isCalm(): boolean {
    const { bus, clock } = this.#options
    if (!bus.healthy || clock.monotonic() < this.#alertUntilMs) return false
    return this.#chains.every((chain) => chain.proven !== undefined)
  }

  #schedulePoll(): void {
    if (this.#closed) return
    this.#pollTimer = this.#options.clock.after(this.#isCalm() ? calmPollMs : alertPollMs, () => {
      this.#pollTimer = undefined
      this.poll()
        .catch((error: unknown) => reportFollow({ what: 'poll-failed', error }))
        .finally(() => this.#schedulePoll())
        .catch(() => {})
    })
  }

  #chain(shard: number): Chain {
    const chain = this.#chains[shard]
    if (chain === undefined) throw new RangeError(`not a shard: ${shard}`)
    return chain
  }
}

function addTo<T>(set: Set<T>, listener: T): () => void {
  set.add(listener)
  return () => set.delete(listener)
}
