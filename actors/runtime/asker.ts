/**
 * The asking side: finds the owner of a key's shard, in this process or by the bus, and asks until there is an answer.
 *
 *   ask ─► this host owns the shard? ─ yes ─► activation ──► answer
 *    ▲            │ no                            │ again (moved, discarded, lease uncertain)
 *    │            └─► bus.request(kind.<shard>) ──┤ retry, no responders, lost reply, new epoch meanwhile
 *    └──── after a moment, or at once when the shard gets a new epoch ◄──┘
 *
 * No answer, of whatever kind, says that a request was not carried out; it is repeated because every request may be.
 */

import type { Bus } from '../bus/bus.ts'
import { Ask, type AskEnvironment } from './ask.ts'
import type { LocalActors } from './call.ts'
import type { ActorMessages, Asker, AskOptions, ReplyBody, RequestBody } from './client.ts'
import type { Clock, Random } from './clock.ts'
import { DeadlineSet } from './deadline-set.ts'
import type { Directory } from './directory.ts'
import { kindsSince } from './kind-versions.ts'
import { shardOf } from './shards.ts'

export interface ActorClientOptions {
  readonly bus: Bus
  readonly clock: Clock
  readonly random: Random
  readonly directory: Directory
  readonly local?: LocalActors
  /** Another table than that of the program. */
  readonly kindsSince?: Readonly<Record<string, string>>
}

const defaultTimeoutMs = 10_000
const maxCachedShards = 50_000

export class ActorClient implements Asker {
  readonly #environment: AskEnvironment
  readonly #shardCount: number
  readonly #clock: Clock
  /** Shards of the keys asked for lately: hashing costs more than the rest of a local call. */
  #shards = new Map<string, number>()

  constructor(options: ActorClientOptions) {
    this.#environment = { kindsSince, ...options, deadlines: new DeadlineSet(options.clock) }
    this.#shardCount = options.directory.shardCount
    this.#clock = options.clock
  }

  ask<A extends keyof ActorMessages, K extends keyof ActorMessages[A] & string>(
    actor: A,
    key: string,
    kind: K,
    body: RequestBody<A, K>,
    options?: AskOptions,
  ): Promise<ReplyBody<A, K>> {
    const timeoutMs = options?.timeoutMs ?? defaultTimeoutMs
    const ask = new Ask(this.#environment, {
      actor,
      key,
      shard: this.shardOf(key),
      request: { kind, body },
      traceId: options?.traceId ?? '',
      deadlineMs: this.#clock.monotonic() + timeoutMs,
      timeoutMs,
      signal: options?.signal,
    })
    // The actor's contract says of which type the reply to this kind of request is.
    return ask.start() as Promise<ReplyBody<A, K>>
  }

  /** The shard of a key in this cluster. */
  shardOf(key: string): number {
    const known = this.#shards.get(key)
    if (known !== undefined) return known
    if (this.#shards.size >= maxCachedShards) this.#shards = new Map()
    const shard = shardOf(key, this.#shardCount)
    this.#shards.set(key, shard)
    return shard
  }
}
