/**
 * The owner's side of following (DESIGN.md §4): of every commit of a shard that this host owns, each host that follows the
 * shard is sent what it wants, one message per host and commit.
 *
 *   commit ─► leader ─┬─► this host's own feed, by a function call: every commit, even where it wants nothing
 *                     └─► other hosts, over the bus: what they follow; and `to` alone now and then, so that they know
 *                         that nothing was lost
 *
 * The messages to one host about one shard are a chain: each names the `to` of the one before.
 */

import type { LogEntry } from '#storage/entry.ts'
import type { Bus, BusMessage, BusSubscription } from '../bus/bus.ts'
import { hostSubject, shardSubject } from '../bus/subjects.ts'
import type { Clock, Timer } from '../runtime/clock.ts'
import type { CommittedBatch } from '../runtime/committed.ts'
import type { EphemeralEvent } from '../runtime/contract.ts'
import type { FeedHooks, ShardChange } from '../runtime/feed-hooks.ts'
import { maskWith, shardOf } from '../runtime/shards.ts'
import { reportFollow } from './events.ts'
import type { ChainMessage, FollowRequest } from './wire.ts'
import { entriesMessage, ephemeralMessage, followReply, readFollowRequest } from './wire.ts'

/** What the runtime tells of the shards that this host owns (`runtime/feed-hooks.ts`). */
export type FollowHooks = Pick<FeedHooks, 'onCommitted' | 'onShard' | 'onEphemeral' | 'onHost'>

/** Room → who types there. */
export type TypingInRooms = ReadonlyMap<string, readonly string[]>

/** The feed of this very host. */
export interface LocalFollower {
  host(hostId: string): void
  /** `typing` is kept up to date: who types in the rooms of the shard, where somebody does. */
  claimed(shard: number, at: { epoch: number; head: number }, typing: TypingInRooms): void
  lost(shard: number): void
  committed(batch: CommittedBatch): void
  ephemeral(event: EphemeralEvent): void
}

export interface LeaderOptions {
  readonly bus: Bus
  readonly clock: Clock
  readonly hooks: FollowHooks
  readonly local: LocalFollower
  readonly shardCount: number
}

interface Follower {
  readonly hostId: string
  readonly chain: number
  /** Of the last request. */
  readonly number: number
  rooms: ReadonlySet<string>
  userShards: bigint
  /** The `to` of the last message. */
  to: number
  renewedAt: number
}

interface LedShard {
  readonly epoch: number
  head: number
  readonly followers: Map<string, Follower>
  readonly typing: Map<string, readonly string[]>
  /** How often that has changed. */
  typed: number
  readonly subscription: Promise<BusSubscription>
}

/** How often a host is told that nothing was for it, at the most. Milliseconds. */
const idleMessageMs = 250
/** A host that has not renewed for so long is gone. Milliseconds. */
const renewalMs = 60_000

export class FollowLeader implements AsyncDisposable {
  readonly #options: LeaderOptions
  readonly #shards = new Map<number, LedShard>()
  readonly #unhook: (() => void)[]
  readonly #closing = new Set<Promise<void>>()
  #idleTimer: Timer | undefined

  constructor(options: LeaderOptions) {
    this.#options = options
    const { hooks, local } = options
    this.#unhook = [
      hooks.onShard((change) => this.#changeShard(change)),
      hooks.onCommitted((batch) => this.#send(batch)),
      hooks.onEphemeral((shard, event) => {
        local.ephemeral(event)
        this.#sendEphemeral(shard, event)
      }),
      hooks.onHost((hostId) => local.host(hostId)),
    ]
  }

  /** Stops sending; the shards themselves are given up elsewhere. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const unhook of this.#unhook) unhook()
    this.#idleTimer?.cancel()
    for (const shard of this.#shards.keys()) this.#drop(shard)
    await Promise.allSettled(this.#closing)
  }

  /** How many other hosts follow each shard of this host. */
  followers(): ReadonlyMap<number, number> {
    const now = this.#options.clock.monotonic()
    const counts = new Map<number, number>()
    for (const [shard, led] of this.#shards) {
      let count = 0
      for (const { renewedAt } of led.followers.values()) if (now - renewedAt <= renewalMs) count++
      counts.set(shard, count)
    }
    return counts
  }

  /** Resolves when other hosts can ask to follow the shard. */
  async #changeShard(change: ShardChange): Promise<void> {
    const { shard, epoch, head } = change
    this.#drop(shard)
    if (change.what === 'lost') return this.#options.local.lost(shard)
    const subscription = this.#options.bus.serve(shardSubject(shard), async (message) =>
      this.#answer(shard, message),
    )
    // A bus that is away refuses: then nobody follows from elsewhere until the shard is claimed again, and all of them poll.
    subscription.catch((error: unknown) => reportFollow({ what: 'serve-failed', shard, error }))
    const typing = new Map<string, readonly string[]>()
    this.#shards.set(shard, { epoch, head, followers: new Map(), typing, typed: 0, subscription })
    this.#options.local.claimed(shard, { epoch, head }, typing)
    await Promise.allSettled([subscription])
  }

  #drop(shard: number): void {
    const led = this.#shards.get(shard)
    if (led === undefined) return
    this.#shards.delete(shard)
    const closing = led.subscription.then(
      (subscription) => subscription.close(),
      () => {},
    )
    this.#closing.add(closing)
    void closing.finally(() => this.#closing.delete(closing))
  }

  #send(batch: CommittedBatch): void {
    const led = this.#shards.get(batch.shard)
    if (led === undefined || led.epoch !== batch.epoch) return
    led.head = batch.to
    this.#options.local.committed(batch)
    if (led.followers.size === 0) return
    const owners = userShardsOf(batch.entries, this.#options.shardCount)
    let idle = false
    for (const follower of led.followers.values()) {
      const entries = batch.entries.filter((entry, i) => isFor(follower, entry, owners[i]))
      if (entries.length === 0) idle = true
      else this.#sendTo(follower, batch, entries)
    }
    if (idle) this.#idleTimer ??= this.#options.clock.after(idleMessageMs, () => this.#sendIdle())
  }

  #sendTo(
    follower: Follower,
    at: { shard: number; epoch: number; to: number },
    entries: readonly LogEntry[],
  ): void {
    const { shard, epoch, to } = at
    const message: ChainMessage = { shard, epoch, chain: follower.chain, prev: follower.to, to, entries }
    follower.to = to
    this.#options.bus.publish(hostSubject(follower.hostId), entriesMessage(message))
  }

  /** Tells those who wanted nothing of late how far the shard is, and forgets those who have gone. */
  #sendIdle(): void {
    this.#idleTimer = undefined
    const now = this.#options.clock.monotonic()
    for (const [shard, led] of this.#shards) {
      for (const follower of led.followers.values()) {
        if (now - follower.renewedAt > renewalMs) led.followers.delete(follower.hostId)
        else if (follower.to < led.head) this.#sendTo(follower, { shard, epoch: led.epoch, to: led.head }, [])
      }
    }
  }

  #sendEphemeral(shard: number, event: EphemeralEvent): void {
    const led = this.#shards.get(shard)
    if (led === undefined) return
    if (event.userIds.length === 0) led.typing.delete(event.roomId)
    else led.typing.set(event.roomId, event.userIds)
    const at = { epoch: led.epoch, typed: ++led.typed }
    for (const follower of led.followers.values()) {
      if (!follower.rooms.has(event.roomId)) continue
      this.#options.bus.publish(hostSubject(follower.hostId), ephemeralMessage(event, at))
    }
  }

  /** Answers a follow request; says nothing when the shard is not ours, the request not known, or a later one was here before. */
  #answer(shard: number, message: BusMessage): BusMessage | undefined {
    const led = this.#shards.get(shard)
    const request = readFollowRequest(message)
    if (led === undefined || request === undefined) return undefined
    const known = led.followers.get(request.hostId)
    if (known !== undefined && request.number < known.number) return undefined
    const resumed = known?.chain === request.chain
    this.#remember(led, request, resumed ? known.to : led.head)
    const typing = request.rooms.flatMap((roomId) => {
      const userIds = led.typing.get(roomId)
      return userIds === undefined ? [] : [[roomId, userIds] as const]
    })
    const { epoch, head, typed } = led
    return followReply({ epoch, from: head, resumed, typing: Object.fromEntries(typing), typed })
  }

  #remember(led: LedShard, request: FollowRequest, to: number): void {
    led.followers.set(request.hostId, {
      hostId: request.hostId,
      chain: request.chain,
      number: request.number,
      rooms: new Set(request.rooms),
      userShards: request.userShards.reduce(maskWith, 0n),
      to,
      renewedAt: this.#options.clock.monotonic(),
    })
  }
}

/** The shard of the user whom each entry concerns, computed once for all followers. */
function userShardsOf(entries: readonly LogEntry[], shardCount: number): readonly (bigint | undefined)[] {
  return entries.map(({ userId }) =>
    userId === undefined ? undefined : maskWith(0n, shardOf(userId, shardCount)),
  )
}

function isFor(follower: Follower, entry: LogEntry, userShard: bigint | undefined): boolean {
  if (entry.roomId !== undefined && follower.rooms.has(entry.roomId)) return true
  return userShard !== undefined && (follower.userShards & userShard) !== 0n
}
