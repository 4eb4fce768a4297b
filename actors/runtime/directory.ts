/**
 * What this process knows of the shards' owners. It is a hint: a request carries the epoch found here, and whoever answers says
 * what is true. It is brought up to date from Postgres, from what hosts say on the bus, and from replies.
 */

import type { Clock } from './clock.ts'
import type { ShardState } from './cluster-store.ts'
import { reportShard } from './events.ts'
import { compareVersions } from './kind-versions.ts'

/** One reading of all owners. */
export type OwnerSource = () => Promise<readonly Omit<ShardState, 'alive'>[]>

/** What happened to a shard: it has a new epoch, the owner of a known one serves it by now, or replies of its owner may be lost. */
export type ShardNews = 'epoch' | 'served' | 'replies lost'

type Watcher = (news: ShardNews) => void

/** However many ask, Postgres is not read more often. */
const minIntervalMs = 100
/** Connections of owners that are remembered: each announces itself a few times within seconds. */
const maxConnections = 256

export class Directory {
  readonly shardCount: number
  readonly #clock: Clock
  readonly #source: OwnerSource
  readonly #epochs: number[]
  /** Of each shard the epoch whose owner is known to serve it. */
  readonly #served: number[]
  readonly #owners: (string | undefined)[]
  readonly #watchers: (Set<Watcher> | undefined)[] = []
  readonly #connections = new Set<number>()
  /** The oldest version that an owner runs; undefined: none is known. */
  #oldest: string | undefined
  #reading = false
  #readAtMs = Number.NEGATIVE_INFINITY
  /** Since when every reading has failed. */
  #blindSinceMs: number | undefined

  constructor(options: { shardCount: number; clock: Clock; source: OwnerSource }) {
    this.shardCount = options.shardCount
    this.#clock = options.clock
    this.#source = options.source
    this.#epochs = Array.from({ length: options.shardCount }, () => 0)
    this.#served = this.#epochs.map(() => 0)
    this.#owners = Array.from({ length: options.shardCount }, () => undefined)
  }

  /** The greatest epoch of the shard that is known here; 0 for none. */
  epochOf(shard: number): number {
    return this.#epochs[shard] ?? 0
  }

  /** The id of the host that owned the shard when this was last looked at. */
  ownerOf(shard: number): string | undefined {
    return this.#owners[shard]
  }

  /** Whether every owner of shards runs this version or a later one, as far as is known. */
  isEverywhere(version: string): boolean {
    return this.#oldest === undefined || compareVersions(this.#oldest, version) >= 0
  }

  /** For how long Postgres has not told who owns what, milliseconds; 0 while it does. */
  get blindMs(): number {
    return this.#blindSinceMs === undefined ? 0 : this.#clock.monotonic() - this.#blindSinceMs
  }

  /** A reading of Postgres has failed. */
  missed(): void {
    this.#blindSinceMs ??= this.#clock.monotonic()
  }

  /** Takes a reading of Postgres over. */
  update(rows: readonly Omit<ShardState, 'alive'>[]): void {
    this.#blindSinceMs = undefined
    const versions = rows.flatMap(({ ownerVersion }) => ownerVersion ?? [])
    this.#oldest = [...new Set(versions)].toSorted(compareVersions)[0]
    for (const { shard, epoch, owner } of rows) {
      if (epoch < this.epochOf(shard)) continue
      this.#owners[shard] = owner
      this.raise(shard, epoch)
    }
  }

  /** Somebody has said that the shard has this epoch. */
  raise(shard: number, epoch: number): void {
    if (shard >= this.shardCount || epoch <= this.epochOf(shard)) return
    this.#epochs[shard] = epoch
    this.#tell(shard, 'epoch')
  }

  /**
   * The owner of the shard under this epoch serves it. Postgres may have told of the epoch before he did, and what was asked in between may have
   * gone to nobody but the owner before, who cannot answer and cannot say so.
   */
  served(shard: number, epoch: number): void {
    if (shard >= this.shardCount || epoch <= (this.#served[shard] ?? 0)) return
    this.#served[shard] = epoch
    if (epoch > this.epochOf(shard)) this.raise(shard, epoch)
    else if (epoch === this.epochOf(shard)) this.#tell(shard, 'served')
  }

  /** The owner of these shards has a new connection to the bus, which has this number. Acts once for each. */
  reconnected(shards: readonly number[], connection: number): void {
    if (this.#connections.has(connection)) return
    if (this.#connections.size >= maxConnections) this.#connections.clear()
    this.#connections.add(connection)
    for (const shard of shards) this.#tell(shard, 'replies lost')
  }

  #tell(shard: number, news: ShardNews): void {
    // Whoever is told may begin to watch again at once: that is for the next time.
    const watchers = Array.from(this.#watchers[shard] ?? [])
    for (const watcher of watchers) watcher(news)
  }

  /** Calls `run` at each piece of news of the shard. Returns a function that ends it. */
  watch(shard: number, run: Watcher): () => void {
    const watchers = (this.#watchers[shard] ??= new Set())
    watchers.add(run)
    return () => watchers.delete(run)
  }

  /** Asks for a new reading; does nothing while one is under way or very recent. */
  refresh(): void {
    if (this.#reading || this.#clock.monotonic() - this.#readAtMs < minIntervalMs) return
    void this.read()
  }

  /** Reads the owners now. A failure is reported; what was known stays. */
  async read(): Promise<void> {
    this.#reading = true
    try {
      this.update(await this.#source())
    } catch (error) {
      this.missed()
      reportShard({ shard: -1, epoch: 0, what: 'error', error })
    } finally {
      this.#reading = false
      this.#readAtMs = this.#clock.monotonic()
    }
  }
}
