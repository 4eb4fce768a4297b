/**
 * One commit: the fenced transaction of DESIGN.md §3, as the committer sees it. `storage/commit-postgres.ts` is the real
 * one (a call of the SQL function `commit_group`), the simulator has a model of it.
 */

import type { ShardWrites } from './shard-writes.ts'

/** The part of a group that concerns one shard. */
export interface ShardGroup {
  readonly shard: number
  /** The epoch under which the writer owns the shard. */
  readonly epoch: number
  /** The position from which the owner says that it goes on: the greatest position it knows to be in the log. */
  readonly after: number
  /** In the order in which they were decided. */
  readonly writes: readonly ShardWrites[]
}

/**
 * What became of a group.
 * - `committed`: all of it is durable (also when an earlier attempt had landed and its answer was lost).
 * - `fenced`: nothing was written; these shards have another owner or epoch.
 * - `behind`: nothing was written; the log of these shards ends before `after`: Postgres has lost commits.
 * - `seen`: nothing was written; these idempotency keys are in the log already.
 */
export type CommitResult =
  | { readonly kind: 'committed' }
  | { readonly kind: 'fenced'; readonly shards: readonly number[] }
  | { readonly kind: 'behind'; readonly shards: readonly number[] }
  | { readonly kind: 'seen'; readonly txnKeys: readonly string[] }

/**
 * Why a call failed, by SQLSTATE: `content` (classes 22, 23, 54, and 57014) lies in the group itself, which is split until
 * the culprit stands alone; `weather` (08, 40, 53, 55, the rest of 57, and a lost connection) is sent again unchanged.
 */
export type CommitFailure = 'content' | 'weather'

export interface CommitStore {
  /**
   * Connects, if that has not been done, and reads something. Throws what the database or the driver throws, and the signal's reason: then
   * the next attempt is made over a new connection.
   */
  open(signal: AbortSignal): Promise<void>
  /**
   * Runs one group in one transaction, shards ascending. Throws what the database threw; {@link classify} says how to go on.
   * A call whose answer was lost may be made again, unchanged.
   */
  commit(groups: readonly ShardGroup[], signal?: AbortSignal): Promise<CommitResult>
  classify(error: unknown): CommitFailure
  /** Whether it failed because there is no connection to be had, which says nothing about what was to be sent over it. */
  isRefusal(error: unknown): boolean
}
