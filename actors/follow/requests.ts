/**
 * Asks the owners of shards to send what this host wants: soon after that has changed, again and again until they
 * answer, and from time to time so that they know that the host is alive.
 */

import type { Bus } from '../bus/bus.ts'
import { shardSubject } from '../bus/subjects.ts'
import type { Clock, Random, Timer } from '../runtime/clock.ts'
import { reportFollow } from './events.ts'
import { followRequest, readFollowReply, type FollowReply } from './wire.ts'

export interface FollowRequestsOptions {
  readonly bus: Bus
  readonly clock: Clock
  readonly random: Random
  /** The host as it is now; undefined while it is none. */
  readonly hostId: () => string | undefined
  readonly roomsOf: (shard: number) => readonly string[]
  /** The chain to ask for; undefined: nothing to ask. */
  readonly chainOf: (shard: number) => number | undefined
  readonly onReply: (shard: number, reply: FollowReply) => void
}

/** Changes of so many milliseconds go into one request. */
const gatherMs = 20
const renewMs = 20_000
const answerMs = 2000
const firstRetryMs = 250
const lastRetryMs = 3000

interface Pending {
  timer: Timer | undefined
  dueIn: number
  asking: boolean
  /** Something changed while a request was under way. */
  again: boolean
  failures: number
  asked: ReadonlySet<string>
}

export class FollowRequests {
  readonly #options: FollowRequestsOptions
  readonly #shards = new Map<number, Pending>()
  readonly #userShards = new Set<number>()
  #number = 0
  #closed = false

  constructor(options: FollowRequestsOptions) {
    this.#options = options
  }

  close(): void {
    this.#closed = true
    for (const pending of this.#shards.values()) pending.timer?.cancel()
  }

  /** Rows that concern users of this shard are wanted from now on. False if they were already. */
  ownUserShard(shard: number): boolean {
    if (this.#userShards.has(shard)) return false
    this.#userShards.add(shard)
    return true
  }

  disownUserShard(shard: number): void {
    this.#userShards.delete(shard)
  }

  /** The rooms named in the last request that was answered or is under way. */
  roomsAsked(shard: number): ReadonlySet<string> {
    return this.#shards.get(shard)?.asked ?? new Set()
  }

  /** What is wanted of the shard has changed, or its chain is to begin anew. */
  ask(shard: number): void {
    const pending = this.#pending(shard)
    if (pending.asking) pending.again = true
    else this.#schedule(shard, pending, gatherMs)
  }

  #pending(shard: number): Pending {
    return this.#shards.getOrInsertComputed(shard, () => ({
      timer: undefined,
      dueIn: Infinity,
      asking: false,
      again: false,
      failures: 0,
      asked: new Set<string>(),
    }))
  }

  #schedule(shard: number, pending: Pending, delayMs: number): void {
    if (this.#closed || (pending.timer !== undefined && pending.dueIn <= delayMs)) return
    pending.timer?.cancel()
    pending.dueIn = delayMs
    pending.timer = this.#options.clock.after(delayMs, () => {
      pending.timer = undefined
      pending.dueIn = Infinity
      this.#request(shard, pending).catch((error: unknown) =>
        reportFollow({ what: 'request-failed', shard, error }),
      )
    })
  }

  async #request(shard: number, pending: Pending): Promise<void> {
    const { bus, roomsOf, chainOf, onReply } = this.#options
    const hostId = this.#options.hostId()
    const chain = hostId === undefined ? undefined : chainOf(shard)
    if (hostId === undefined || chain === undefined || this.#closed) return
    const rooms = roomsOf(shard)
    pending.asked = new Set(rooms)
    pending.asking = true
    pending.again = false
    try {
      const request = followRequest({
        hostId,
        chain,
        number: ++this.#number,
        rooms,
        userShards: [...this.#userShards],
      })
      const reply = readFollowReply(await bus.request(shardSubject(shard), request, { timeoutMs: answerMs }))
      if (reply === undefined) throw new Error('the reply to a follow request was not understood')
      pending.failures = 0
      // What was asked may have been overtaken: then the reply says nothing about the present chain.
      if (chainOf(shard) === chain) onReply(shard, reply)
    } catch (error) {
      pending.failures++
      reportFollow({ what: 'request-failed', shard, error })
    } finally {
      pending.asking = false
      this.#schedule(shard, pending, this.#nextIn(pending))
    }
  }

  #nextIn(pending: Pending): number {
    if (pending.failures > 0) {
      const wait = Math.min(lastRetryMs, firstRetryMs * 2 ** (pending.failures - 1))
      return wait * (0.5 + this.#options.random.fraction() / 2)
    }
    return pending.again ? gatherMs : renewMs
  }
}
