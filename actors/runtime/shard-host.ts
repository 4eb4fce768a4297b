/**
 * The shards that this host serves: their activations, their lanes to the committers, and their subjects on the bus. What is
 * claimed and given up is decided in `ownership.ts`; here it is carried out.
 *
 * A shard here is serving, then leaving (every request is asked again elsewhere, what was decided is committed), then it is no more.
 */

import { MatrixError } from '#protocol/errors.ts'
import type { Bus, BusMessage, BusSubscription, HandlerContext } from '../bus/bus.ts'
import { actorSubject, type ActorKind } from '../bus/subjects.ts'
import type { Activation } from './activation.ts'
import type { Announcer } from './announcer.ts'
import type { Call } from './call.ts'
import type { AnyDefinition } from './contract.ts'
import type { Clock } from './clock.ts'
import type { Committer } from './committer.ts'
import { reportShard } from './events.ts'
import type { FeedHooks } from './feed-hooks.ts'
import { Lane } from './lane.ts'
import { Registry } from './registry.ts'
import type { ActivationServices } from './services.ts'
import { errorMessage, okMessage, parseRequest, retryMessage } from './wire.ts'

export interface ShardHostOptions {
  readonly bus: Bus
  readonly clock: Clock
  readonly hooks: FeedHooks
  readonly announcer: Announcer
  readonly definitions: readonly AnyDefinition[]
  readonly services: ActivationServices
  /** The committer of a shard; always the same one. */
  readonly committerOf: (shard: number) => Committer
  readonly shardOf: (key: string) => number
  /** A caller has met a newer epoch than ours: the shard has been dropped here. */
  readonly onOutdated: (shard: number) => void
}

interface Served {
  readonly lane: Lane
  readonly committer: Committer
  readonly registry: Registry
  readonly subscriptions: BusSubscription[]
  leaving: boolean
}

/** A shard in the memory of its owner. */
export interface ShardLoad {
  readonly shard: number
  readonly epoch: number
  readonly state: 'serving' | 'leaving'
  /** The greatest position that is known to be in the log. */
  readonly position: number
  /** Actors in memory. */
  readonly activations: number
  /** Requests that wait for the turn of an actor. */
  readonly waiting: number
  /** Decisions on their way to the database. */
  readonly uncommitted: number
}

export class ShardHost {
  readonly #options: ShardHostOptions
  readonly #served: (Served | undefined)[] = []

  constructor(options: ShardHostOptions) {
    this.#options = options
  }

  /** The shards that are served or being given up, with the epochs. */
  get lanes(): Lane[] {
    return this.#served.flatMap((served) => (served === undefined ? [] : [served.lane]))
  }

  has(shard: number): boolean {
    return this.#served[shard] !== undefined
  }

  /** True until the shard is given up; false also for a shard that is not here. */
  isServing(shard: number): boolean {
    return this.#served[shard]?.leaving === false
  }

  *activations(): Iterable<Activation> {
    for (const served of this.#served) if (served !== undefined) yield* served.registry.activations
  }

  /** What this committer was given is not answered: see `Activation.commitsStall`. */
  commitsStall(committer: Committer): void {
    for (const served of this.#served) {
      if (served?.committer !== committer) continue
      for (const activation of served.registry.activations) activation.commitsStall()
    }
  }

  /** What each shard here has to do at this moment. */
  loads(): ShardLoad[] {
    return this.#served.flatMap((served) => (served === undefined ? [] : [loadOf(served)]))
  }

  /** Hands a call to its actor. False when the shard is not served here. */
  deliver(
    to: { readonly kind: ActorKind; readonly key: string; readonly shard: number },
    call: Call,
  ): boolean {
    const served = this.#served[to.shard]
    if (served === undefined || served.leaving) return false
    this.#pass(served, to.kind, to.key, call)
    return true
  }

  /** Begins to serve a shard that has been claimed: by the bus first, so that whoever hears of it is answered. */
  async take(shard: number, epoch: number, head: number): Promise<void> {
    const lane = new Lane(shard, epoch, head)
    const served: Served = {
      lane,
      committer: this.#options.committerOf(shard),
      registry: new Registry(lane, this.#options.services, this.#options.definitions),
      subscriptions: [],
      leaving: false,
    }
    this.#served[shard] = served
    reportShard({ shard, epoch, what: 'claimed' })
    const { hooks, announcer } = this.#options
    await Promise.all([hooks.shard({ what: 'claimed', shard, epoch, head }), this.#subscribe(served)])
    if (lane.closed) return
    announcer.announce(shard, epoch, lane.position)
    reportShard({ shard, epoch, what: 'serving' })
  }

  /**
   * Takes no request for the shard any more and lets what was decided become durable; after `limitMs` what is left fails. It then stays
   * here, answering that it moves, until {@link drop}.
   */
  async leave(shard: number, limitMs: number): Promise<void> {
    const served = this.#served[shard]
    if (served === undefined || served.leaving) return
    served.leaving = true
    reportShard({ shard, epoch: served.lane.epoch, what: 'leaving' })
    const limit = Promise.withResolvers<void>()
    const timer = this.#options.clock.after(limitMs, limit.resolve)
    const finished = served.registry.passivateAll().then(() => served.lane.idle())
    await Promise.race([finished, limit.promise])
    timer.cancel()
    served.committer.close(served.lane, 'it is being given up')
    served.registry.discardAll('the shard is being given up')
  }

  /** Ends everything of a shard at once. What is on its way to the database fails, or has landed and is found again. */
  drop(shard: number, why: string): void {
    const served = this.#served[shard]
    if (served === undefined) return
    this.#served[shard] = undefined
    const { lane } = served
    const left = served.leaving
    served.leaving = true
    served.committer.close(lane, why)
    served.registry.discardAll(why)
    this.#options.announcer.forget(shard)
    for (const subscription of served.subscriptions) void subscription.close().catch(() => {})
    reportShard({ shard, epoch: lane.epoch, what: left ? 'released' : 'lost' })
    void this.#options.hooks.shard({ what: 'lost', shard, epoch: lane.epoch, head: lane.position })
  }

  async #subscribe(served: Served): Promise<void> {
    const { bus, definitions } = this.#options
    await Promise.all(
      definitions.map(async ({ kind }) => {
        const handler = (message: BusMessage, context: HandlerContext): Promise<BusMessage | undefined> =>
          this.#serve(served, kind, message, context)
        const subscription = await bus.serve(actorSubject(kind, served.lane.shard), handler)
        if (this.#served[served.lane.shard] === served) served.subscriptions.push(subscription)
        else await subscription.close()
      }),
    )
  }

  #pass(served: Served, kind: ActorKind, key: string, call: Call): void {
    const { poison } = this.#options.services
    const refusal = poison.refusal(kind, key, call.request)
    if (refusal !== undefined) return call.refuse(refusal)
    if (served.committer.full) return call.refuse(tooBusy())
    const activation = served.registry.activate(kind, key)
    if (activation === undefined)
      call.refuse(new MatrixError('M_UNRECOGNIZED', `No actor is called ${kind}.`))
    else activation.deliver(call)
  }

  async #serve(
    served: Served,
    kind: ActorKind,
    message: BusMessage,
    context: HandlerContext,
  ): Promise<BusMessage | undefined> {
    const { shard, epoch } = served.lane
    const head = parseRequest(message.head)
    if (head === undefined || this.#options.shardOf(head.key) !== shard) {
      return errorMessage(new MatrixError('M_BAD_JSON', 'Not a request to this shard.'), epoch)
    }
    if (head.epoch > epoch) {
      // Somebody else owns it, or we do under another epoch: he answers, and what stands here must not.
      if (this.#served[shard] === served) {
        this.drop(shard, 'a caller knows a newer epoch')
        this.#options.onOutdated(shard)
      }
      return undefined
    }
    if (served.leaving) return retryMessage('the shard is moving', epoch)
    return new Promise((resolve) => {
      const call: Call = {
        request: { kind: head.kind, body: head.body },
        caller: { traceId: head.traceId, signal: context.signal },
        reply: (value) => resolve(okMessage(value, epoch)),
        refuse: (error) => resolve(errorMessage(error, epoch)),
        again: (why) => resolve(retryMessage(why, epoch)),
      }
      this.#pass(served, kind, head.key, call)
    })
  }
}

function tooBusy(): MatrixError {
  return new MatrixError(
    'M_LIMIT_EXCEEDED',
    'The server has more to store than it can; try again in a moment.',
    {
      extra: { retry_after_ms: 2000 },
    },
  )
}

function loadOf({ lane, registry, leaving }: Served): ShardLoad {
  let waiting = 0
  for (const activation of registry.activations) waiting += activation.waiting
  return {
    shard: lane.shard,
    epoch: lane.epoch,
    state: leaving ? 'leaving' : 'serving',
    position: lane.position,
    activations: registry.size,
    waiting,
    uncommitted: lane.unsettled,
  }
}
