/**
 * A process that owns shards, and one that only asks: everything of the runtime put together. Composition calls
 * {@link startActorHost} or {@link startActorClient}; tests and the simulator call {@link openActorHost} with models.
 */

import type { HeldShard } from '#storage/cluster/incarnation.ts'
import type { CommitStore } from '#storage/commit.ts'
import { ranOutOfTime } from '#storage/commit-postgres.ts'
import type { Database } from '#storage/pool.ts'
import type { Reads } from '#storage/reads.ts'
import type { Bus } from '../bus/bus.ts'
import type { ActorKind } from '../bus/subjects.ts'
import { Announcer } from './announcer.ts'
import { ActorClient } from './asker.ts'
import type { AnyDefinition } from './contract.ts'
import type { Clock, Random } from './clock.ts'
import { PostgresClusterStore } from './cluster-postgres.ts'
import type { ClusterStore } from './cluster-store.ts'
import { Committer } from './committer.ts'
import { Directory } from './directory.ts'
import { reportShard } from './events.ts'
import { FeedHooks } from './feed-hooks.ts'
import type { Lane } from './lane.ts'
import { Ownership } from './ownership.ts'
import { Poison } from './poison.ts'
import { ShardHost, type ShardLoad } from './shard-host.ts'
import type { ActivationServices } from './services.ts'
import { Sweeper } from './sweeper.ts'
import { TurnWatch } from './turn-watch.ts'

interface HostSettings {
  readonly bus: Bus
  readonly clock: Clock
  readonly random: Random
  /** What the operator calls this process. */
  readonly hostName: string
  readonly version: string
  readonly roles: readonly string[]
  readonly definitions: readonly AnyDefinition[]
  readonly shardCount: number
  /** Where commits go on to; made before the host if actors need what listens there. */
  readonly hooks?: FeedHooks
  /**
   * No other process can be using this database: one that was killed a moment ago need not be waited for. True for a private embedded
   * server; default false.
   */
  readonly sole?: boolean
  /** Activations kept in memory while enough of them are idle. Default 20,000. */
  readonly maxActivations?: number
  /** How many shards this host should own in proportion to others, a natural number. Default 1. */
  readonly weight?: number
  /** When it is aborted nothing is waited for any more: a drain that is under way lets go of its shards as they are. */
  readonly cut?: AbortSignal | undefined
}

export interface ActorHostOptions extends HostSettings {
  readonly database: Database
  /** Committers, each with a connection of its own and its own shards. */
  readonly committers: number
}

export interface ActorHostParts extends HostSettings {
  readonly cluster: ClusterStore
  readonly reads: Reads
  /** One committer for each. */
  readonly stores: readonly CommitStore[]
}

/** An activation as operators see it. */
export interface ActivationView {
  readonly kind: ActorKind
  readonly key: string
  readonly shard: number
  readonly state: string
  /** Requests that wait for their turn. */
  readonly waiting: number
}

const defaultMaxActivations = 20_000

export class ActorHost implements AsyncDisposable {
  readonly asker: ActorClient
  readonly feedHooks: FeedHooks
  readonly directory: Directory
  readonly #ownership: Ownership
  readonly #shards: ShardHost
  readonly #sweeper: Sweeper
  readonly #cluster: ClusterStore
  #disposed: Promise<void> | undefined

  constructor(parts: ActorHostParts) {
    const { clock, random, bus, cluster, reads } = parts
    const hooks = parts.hooks ?? new FeedHooks()
    const announcer = new Announcer(bus, clock, random)
    const directory = new Directory({ shardCount: parts.shardCount, clock, source: () => cluster.owners() })
    const committerOf = this.#startCommitters(parts, { hooks, announcer })
    const asker = new ActorClient({
      bus,
      clock,
      random,
      directory,
      local: {
        deliver: (to, call) => this.#shards.deliver(to, call),
        suspect: () => this.#ownership.hint(),
      },
    })
    const services: ActivationServices = {
      clock,
      random,
      reads,
      ask: asker,
      poison: new Poison(clock),
      turns: new TurnWatch(clock),
      submit: (submission) => committerOf(submission.lane.shard).submit(submission),
      isStalled: (lane) => committerOf(lane.shard).stalled,
      leaseValid: () => this.#ownership.lease.isValid,
      bearsOut: (lane) => this.#bearsOut(lane),
      isWeather: (error) => parts.stores[0]?.classify(error) === 'weather' || ranOutOfTime(error),
      ephemeral: (shard, event) => hooks.ephemeral(shard, event),
    }
    this.#shards = new ShardHost({
      bus,
      clock,
      hooks,
      announcer,
      definitions: parts.definitions,
      services,
      committerOf,
      shardOf: (key) => asker.shardOf(key),
      onOutdated: () => this.#ownership.hint(),
    })
    this.#ownership = new Ownership({
      store: cluster,
      bus,
      clock,
      random,
      directory,
      shards: this.#shards,
      stores: parts.stores,
      name: parts.hostName,
      version: parts.version,
      roles: parts.roles,
      weight: parts.weight ?? 1,
      sole: parts.sole ?? false,
      cut: parts.cut,
      onHost: (hostId) => hooks.host(hostId),
    })
    this.#sweeper = new Sweeper({
      clock,
      maxActivations: parts.maxActivations ?? defaultMaxActivations,
      activations: () => this.#shards.activations(),
    })
    this.asker = asker
    this.feedHooks = hooks
    this.directory = directory
    this.#cluster = cluster
  }

  /** This process's id in the cluster, decimal text; another one after its lease was lost. */
  get hostId(): string {
    return this.#ownership.lease.hostId
  }

  /** True while this process is a host whose lease certainly holds. */
  get isMember(): boolean {
    return this.#ownership.lease.isValid
  }

  /** Why it owns no shards, in words; undefined when it does or may. */
  get lack(): string | undefined {
    if (!this.isMember) return 'holds no lease'
    return this.#ownership.canCommit ? undefined : 'gets no database connections for commits'
  }

  /** The shards that are served here, ascending. */
  get ownedShards(): number[] {
    return this.#shards.lanes.map((lane) => lane.shard).filter((shard) => this.#shards.isServing(shard))
  }

  /** What is in memory now. */
  activations(): ActivationView[] {
    return Array.from(this.#shards.activations(), (activation) => ({
      kind: activation.definition.kind,
      key: activation.key,
      shard: activation.lane.shard,
      state: activation.state,
      waiting: activation.waiting,
    }))
  }

  /** What each shard that is served here has to do now. */
  loads(): ShardLoad[] {
    return this.#shards.loads()
  }

  /** Joins the cluster and claims what is free; resolves when that is served. Throws what the database throws. */
  async start(): Promise<void> {
    await this.#ownership.start()
    this.#sweeper.start()
  }

  /**
   * Gives every shard up in good order: requests under way are answered or asked again elsewhere, decisions become durable. At most about four
   * seconds. Asking goes on working, as long as there are other hosts.
   */
  async drain(): Promise<void> {
    await this.#ownership.drain()
    this.#sweeper.stop()
  }

  /** Stops at once and leaves the shards to be claimed when the lease has run out, as a crash does. */
  async stop(): Promise<void> {
    this.#sweeper.stop()
    await this.#ownership.stop()
    await this.#cluster[Symbol.asyncDispose]()
  }

  /** Drains, if that has not been done, and lets go of the database. Idempotent. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.drain().then(() => this.#cluster[Symbol.asyncDispose]())
    return this.#disposed
  }

  /** Whether the database bears out what is held of a lane's shard and of all shards here. If not, it is looked at again soon. */
  async #bearsOut(lane: Lane): Promise<boolean> {
    const right = await this.#cluster.bearsOut([lane, ...this.#shards.lanes].map(heldOf))
    if (!right) this.#ownership.hint()
    return right
  }

  /** The committer of each shard. */
  #startCommitters(
    parts: ActorHostParts,
    followers: { hooks: FeedHooks; announcer: Announcer },
  ): (shard: number) => Committer {
    const committers = parts.stores.map((store) => this.#committer(parts, store, followers))
    return (shard) => {
      const committer = committers[shard % committers.length]
      if (committer === undefined) throw new Error('host.no_committer')
      return committer
    }
  }

  #committer(
    parts: ActorHostParts,
    store: CommitStore,
    { hooks, announcer }: { hooks: FeedHooks; announcer: Announcer },
  ): Committer {
    const committer: Committer = new Committer({
      store,
      clock: parts.clock,
      random: parts.random,
      onCommitted: (batch) => {
        hooks.committed(batch)
        announcer.announce(batch.shard, batch.epoch, batch.to)
      },
      onLost: (lane: Lane, why: string) => {
        this.#shards.drop(lane.shard, why)
        this.#ownership.hint()
      },
      onRefused: (error) => this.#ownership.refusedConnection(error),
      onBehind: (lanes) => void this.#ownership.behind(lanes.map((lane) => lane.shard)),
      onStalled: (isFirst) => {
        if (isFirst) reportShard({ shard: -1, epoch: 0, what: 'commits-stall' })
        this.#shards.commitsStall(committer)
      },
    })
    return committer
  }
}

function heldOf({ shard, epoch, position }: Lane): HeldShard {
  return { shard, epoch, position }
}

/** Starts a host on models or on whatever parts are given. */
export function openActorHost(parts: ActorHostParts): Promise<ActorHost> {
  return started(new ActorHost(parts))
}

async function started(host: ActorHost): Promise<ActorHost> {
  try {
    await host.start()
    return host
  } catch (error) {
    await host.stop()
    throw error
  }
}

/** A host on a real database that has not been started: what needs its `asker` can be made before the first shard is claimed. */
export function makeActorHost(options: ActorHostOptions): ActorHost {
  const { database, committers } = options
  return new ActorHost({
    ...options,
    cluster: new PostgresClusterStore(database),
    reads: database.reads,
    stores: Array.from({ length: Math.max(1, committers) }, () => database.commitStore()),
  })
}

/**
 * Starts a process that owns shards. Alone in its cluster it owns all of them when this resolves, unless Postgres gives it no connections to
 * commit over. Throws what the database throws.
 */
export function startActorHost(options: ActorHostOptions): Promise<ActorHost> {
  return started(makeActorHost(options))
}
