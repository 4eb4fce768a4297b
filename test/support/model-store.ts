/**
 * A model of the database as far as commits and ownership go: logs, fencing, idempotency keys, and every way in which a call can
 * end. For unit tests of the runtime and for the simulator; it must behave as `commit_group` does.
 */

import type { CommitFailure, CommitResult, CommitStore, ShardGroup } from '#storage/commit.ts'
import type { LogRow } from '#storage/writes.ts'
import type { PutRow } from '#storage/shard-writes.ts'

export interface ModelRow {
  readonly pos: number
  readonly epoch: number
  readonly row: LogRow
}

/** What the next call meets: an error before anything happens, an answer that is lost after it did, or a wait. */
export type ModelFault = 'weather' | 'lost-answer' | { readonly until: Promise<void> }

export class ModelError extends Error {
  override readonly name = 'ModelError'
  readonly failure: CommitFailure

  constructor(failure: CommitFailure, message: string) {
    super(message)
    this.failure = failure
  }
}

const tooMany = 'too many connections'

/** The connections of one host to a {@link ModelStore}. */
export class ModelConnection implements CommitStore {
  readonly #store: ModelStore
  /** While set, no connection is to be had. */
  refused = false

  constructor(store: ModelStore) {
    this.#store = store
  }

  async open(_signal?: AbortSignal): Promise<void> {
    if (this.refused) throw new ModelError('weather', tooMany)
  }

  async commit(groups: readonly ShardGroup[], signal?: AbortSignal): Promise<CommitResult> {
    await this.open()
    return this.#store.commit(groups, signal)
  }

  classify(error: unknown): CommitFailure {
    return this.#store.classify(error)
  }

  isRefusal(error: unknown): boolean {
    return this.#store.isRefusal(error)
  }
}

export class ModelStore implements CommitStore {
  readonly #epochs = new Map<number, number>()
  readonly #logs = new Map<number, ModelRow[]>()
  readonly #faults: ModelFault[] = []
  /** Every call as it came, for assertions on what was grouped. */
  readonly calls: (readonly ShardGroup[])[] = []
  /** Rows other than log rows, in the order in which they took effect. */
  readonly rows: PutRow[] = []
  /** A decision for which this is true is refused for its content. */
  poisoned: (row: LogRow) => boolean = () => false

  epochOf(shard: number): number {
    return this.#epochs.get(shard) ?? 0
  }

  /** Fences whoever owned the shard; returns the new epoch. */
  claim(shard: number): number {
    const epoch = this.epochOf(shard) + 1
    this.#epochs.set(shard, epoch)
    return epoch
  }

  log(shard: number): readonly ModelRow[] {
    return this.#logs.get(shard) ?? []
  }

  headOf(shard: number): number {
    return this.log(shard).at(-1)?.pos ?? 0
  }

  /** Loses the newest rows, as a failover to a replica that lags does. */
  loseCommits(shard: number, count: number): void {
    this.#logs.get(shard)?.splice(-count)
  }

  /** What the next calls meet, one each. */
  fault(...faults: readonly ModelFault[]): void {
    this.#faults.push(...faults)
  }

  open(_signal?: AbortSignal): Promise<void> {
    return Promise.resolve()
  }

  async commit(groups: readonly ShardGroup[], signal?: AbortSignal): Promise<CommitResult> {
    this.calls.push(groups)
    const fault = this.#faults.shift()
    if (typeof fault === 'object') await Promise.race([fault.until, ended(signal)])
    if (signal?.aborted) throw new ModelError('weather', 'given up')
    if (fault === 'weather') throw new ModelError('weather', 'connection refused')
    const result = this.#apply(groups)
    if (fault === 'lost-answer') throw new ModelError('weather', 'connection lost')
    return result
  }

  classify(error: unknown): CommitFailure {
    return error instanceof ModelError ? error.failure : 'content'
  }

  isRefusal(error: unknown): boolean {
    return error instanceof ModelError && error.message === tooMany
  }

  #apply(groups: readonly ShardGroup[]): CommitResult {
    const fenced = groups.filter((group) => this.epochOf(group.shard) !== group.epoch)
    if (fenced.length > 0) return { kind: 'fenced', shards: fenced.map((group) => group.shard) }
    const behind = groups.filter((group) => this.headOf(group.shard) < group.after)
    if (behind.length > 0) return { kind: 'behind', shards: behind.map((group) => group.shard) }
    if (this.#landed(groups)) return { kind: 'committed' }
    const seen = this.#seen(groups)
    if (seen.length > 0) return { kind: 'seen', txnKeys: seen }
    for (const row of rowsOf(groups)) if (this.poisoned(row)) throw new ModelError('content', 'invalid text')
    for (const group of groups) this.#write(group)
    return { kind: 'committed' }
  }

  #landed(groups: readonly ShardGroup[]): boolean {
    let landed = false
    for (const { shard, epoch, after, writes } of groups) {
      if (this.headOf(shard) === after) continue
      const count = writes.reduce((sum, one) => sum + one.log.length, 0)
      const next = this.log(shard).find((row) => row.pos === after + 1)
      if (next?.epoch !== epoch || this.headOf(shard) !== after + count) {
        throw new ModelError('content', `shard ${shard} stands elsewhere than its owner believes`)
      }
      landed = true
    }
    return landed
  }

  #seen(groups: readonly ShardGroup[]): string[] {
    const known = new Set<string>()
    for (const log of this.#logs.values()) for (const { row } of log) if (row.txnKey) known.add(row.txnKey)
    return rowsOf(groups).flatMap((row) =>
      row.txnKey !== undefined && known.has(row.txnKey) ? [row.txnKey] : [],
    )
  }

  #write({ shard, epoch, writes }: ShardGroup): void {
    const log = this.#logs.get(shard) ?? []
    this.#logs.set(shard, log)
    for (const one of writes) {
      for (const row of one.log) log.push({ pos: (log.at(-1)?.pos ?? 0) + 1, epoch, row })
      this.rows.push(...one.rows)
    }
  }
}

/** Resolves when the call has been given up. */
function ended(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => signal?.addEventListener('abort', () => resolve(), { once: true }))
}

function rowsOf(groups: readonly ShardGroup[]): LogRow[] {
  return groups.flatMap((group) => group.writes.flatMap((writes) => writes.log))
}
