/** Actor hosts on models: one database, one bus, one clock that the test moves, as many hosts as it wants. */

import { MemoryBus } from '#actors/bus/memory.ts'
import type { AskOptions } from '#actors/runtime/client.ts'
import { openActorHost, type ActorHost } from '#actors/runtime/host.ts'
import { ModelBus } from './model-bus.ts'
import { ModelCluster, ModelClusterStore } from './model-cluster.ts'
import { ModelConnection, ModelStore } from './model-store.ts'
import { ManualClock, seededRandom } from './manual-clock.ts'
import { counterActor, counterState, type CounterMessages, type CounterOptions } from './counter-actor.ts'

export interface ModelHost {
  readonly host: ActorHost
  readonly cluster: ModelClusterStore
  /** Its way to the others. */
  readonly bus: ModelBus
  /** Its connections for commits. */
  readonly connection: ModelConnection
}

export class ModelWorld {
  readonly clock = new ManualClock()
  readonly store = new ModelStore()
  readonly bus = new MemoryBus(this.clock)
  readonly cluster: ModelCluster
  readonly shardCount: number
  #seed = 1

  constructor(shardCount = 8) {
    this.shardCount = shardCount
    this.cluster = new ModelCluster({ store: this.store, clock: this.clock, shardCount })
  }

  /** Starts a host whose actors are counters. */
  async start(
    options: Partial<CounterOptions> & {
      maxActivations?: number
      sole?: boolean
      weight?: number
      version?: string
      /** It cannot reach the bus when it starts. */
      cutOff?: boolean
      /** Postgres gives it no connections for commits when it starts. */
      refused?: boolean
      /** Joining takes some round trips. */
      slowJoin?: boolean
    } = {},
  ): Promise<ModelHost> {
    const bus = new ModelBus(this.bus)
    if (options.cutOff === true) bus.cut()
    const connection = new ModelConnection(this.store)
    connection.refused = options.refused ?? false
    const cluster = new ModelClusterStore(this.cluster)
    cluster.slowJoin = options.slowJoin ?? false
    const seed = this.#seed++
    const starting = openActorHost({
      bus,
      clock: this.clock,
      random: seededRandom(seed * 7919),
      hostName: `host${seed}`,
      version: options.version ?? 'test',
      roles: ['actors'],
      shardCount: this.shardCount,
      definitions: [counterActor({ load: (context) => this.load(context), ...options })],
      cluster,
      // Counters read the model's log.
      reads: { sql: undefined as never },
      stores: [connection],
      sole: options.sole ?? false,
      ...(options.maxActivations !== undefined && { maxActivations: options.maxActivations }),
      ...(options.weight !== undefined && { weight: options.weight }),
    })
    return { host: await starting, cluster, bus, connection }
  }

  async load(of: { readonly key: string; readonly shard: number }): Promise<ReturnType<typeof counterState>> {
    return counterState(
      of.key,
      this.store.log(of.shard).map(({ row }) => row),
    )
  }
}

/** Asks a counter. The kinds of the counter are not among those that `Asker` knows. */
export function askCounter<K extends keyof CounterMessages>(
  host: { readonly asker: ActorHost['asker'] },
  key: string,
  ask: { readonly kind: K; readonly body: CounterMessages[K]['request']; readonly options?: AskOptions },
): Promise<CounterMessages[K]['reply']> {
  const asker = host.asker as unknown as {
    ask(actor: string, key: string, kind: string, body: unknown, options?: AskOptions): Promise<never>
  }
  return asker.ask('room', key, ask.kind, ask.body, ask.options)
}
