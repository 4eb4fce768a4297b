/** A model of leases and claims beside a {@link ModelStore}, for as many hosts as a test has. Time is the test's clock. */

import type { Clock } from '#actors/runtime/clock.ts'
import type { HostCondition } from '#storage/cluster/leases.ts'
import type { Claim, ClusterStore, HostRecord, ShardState, Survey } from '#actors/runtime/cluster-store.ts'
import type { HeldShard } from '#storage/cluster/incarnation.ts'
import type { ModelStore } from './model-store.ts'

interface ModelHost extends HostRecord {
  condition?: HostCondition | undefined
  expiresAtMs: number
  draining: boolean
  /** False: its session is gone, which is known at once. */
  connected: boolean
}

const ttlMs = 5000
/** Turns of the microtask queue that a slow join takes. */
const roundTrips = 40

/** The database as all hosts share it. */
export class ModelCluster {
  readonly store: ModelStore
  readonly clock: Clock
  readonly shardCount: number
  readonly hosts = new Map<string, ModelHost>()
  readonly owners = new Map<number, string>()
  incarnation = 1

  constructor(options: { store: ModelStore; clock: Clock; shardCount: number }) {
    this.store = options.store
    this.clock = options.clock
    this.shardCount = options.shardCount
  }

  isAlive(hostId: string | undefined): boolean {
    const host = hostId === undefined ? undefined : this.hosts.get(hostId)
    return host !== undefined && host.connected && host.expiresAtMs > this.clock.monotonic()
  }

  states(): ShardState[] {
    return Array.from({ length: this.shardCount }, (_, shard) => {
      const owner = this.owners.get(shard)
      const ownerVersion = owner === undefined ? undefined : this.hosts.get(owner)?.version
      return { shard, epoch: this.store.epochOf(shard), owner, ownerVersion, alive: this.isAlive(owner) }
    })
  }
}

/** One host's access to it, with faults. */
export class ModelClusterStore implements ClusterStore {
  readonly #cluster: ModelCluster
  /** While set, every call throws. */
  unreachable = false
  /** While set, renewals do not arrive: the host is alive but cut off. */
  mute = false
  /** Joining takes some round trips. */
  slowJoin = false
  /** So many releases fail from now on. */
  failingReleases = 0
  #onSessionEnd: (() => void) | undefined
  /** How often the cluster was looked at. */
  surveys = 0

  constructor(cluster: ModelCluster) {
    this.#cluster = cluster
  }

  async join(host: HostRecord, onSessionEnd: () => void): Promise<void> {
    this.#reach()
    for (let trip = 0; this.slowJoin && trip < roundTrips; trip++) await Promise.resolve()
    this.#onSessionEnd = onSessionEnd
    const expiresAtMs = this.#cluster.clock.monotonic() + ttlMs
    this.#cluster.hosts.set(host.hostId, { ...host, expiresAtMs, draining: false, connected: true })
  }

  async renew(hostId: string, condition: HostCondition): Promise<boolean> {
    this.#reach()
    if (this.mute) throw new Error('no answer')
    const host = this.#cluster.hosts.get(hostId)
    const nowMs = this.#cluster.clock.monotonic()
    if (host === undefined || host.expiresAtMs <= nowMs) return false
    host.expiresAtMs = nowMs + ttlMs
    host.condition = condition
    host.connected = true
    return true
  }

  /** The database ends the session, and the host is told. */
  endSession(hostId: string): void {
    const host = this.#cluster.hosts.get(hostId)
    if (host !== undefined) host.connected = false
    this.#onSessionEnd?.()
  }

  async setDraining(hostId: string): Promise<void> {
    this.#reach()
    const host = this.#cluster.hosts.get(hostId)
    if (host !== undefined) host.draining = true
  }

  async leave(hostId: string): Promise<void> {
    this.#reach()
    this.#cluster.hosts.delete(hostId)
  }

  async forgetOthers(hostId: string): Promise<void> {
    this.#reach()
    for (const other of this.#cluster.hosts.keys()) if (other !== hostId) this.#cluster.hosts.delete(other)
  }

  async survey(): Promise<Survey> {
    this.#reach()
    this.surveys++
    const hosts = [...this.#cluster.hosts.values()].filter((host) => this.#cluster.isAlive(host.hostId))
    return { shards: this.#cluster.states(), hosts: hosts.map((host) => ({ ...host })) }
  }

  async owners(): Promise<readonly Omit<ShardState, 'alive'>[]> {
    this.#reach()
    return this.#cluster.states()
  }

  async claim(hostId: string, seen: readonly Claim[]): Promise<readonly Claim[]> {
    this.#reach()
    const { store, owners } = this.#cluster
    if (!this.#cluster.isAlive(hostId) || this.#cluster.hosts.get(hostId)?.draining) return []
    return seen
      .filter(
        ({ shard, epoch }) => store.epochOf(shard) === epoch && !this.#cluster.isAlive(owners.get(shard)),
      )
      .map(({ shard }) => {
        owners.set(shard, hostId)
        return { shard, epoch: store.claim(shard) }
      })
  }

  async release(hostId: string, claims: readonly Claim[]): Promise<void> {
    this.#reach()
    if (this.failingReleases-- > 0) throw new Error('no answer')
    const { store, owners } = this.#cluster
    for (const { shard, epoch } of claims) {
      if (owners.get(shard) === hostId && store.epochOf(shard) === epoch) owners.delete(shard)
    }
  }

  async heads(shards: readonly number[]): Promise<readonly number[]> {
    this.#reach()
    return shards.map((shard) => this.#cluster.store.headOf(shard))
  }

  async bearsOut(held: readonly HeldShard[]): Promise<boolean> {
    this.#reach()
    const { store } = this.#cluster
    return held.every(
      ({ shard, epoch, position }) => store.epochOf(shard) === epoch && store.headOf(shard) >= position,
    )
  }

  async raiseIncarnation(): Promise<void> {
    this.#reach()
    this.#cluster.incarnation++
    this.#cluster.owners.clear()
    for (let shard = 0; shard < this.#cluster.shardCount; shard++) this.#cluster.store.claim(shard)
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #reach(): void {
    if (this.unreachable) throw new Error('connection refused')
  }
}
