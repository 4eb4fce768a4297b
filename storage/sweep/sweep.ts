/**
 * What the sweep asks of the database: to delete, in small steps, rows that nobody needs any more. `sweep-postgres.ts` is the real
 * one. Why no reader misses them stands beside the SQL (`migrations/0006-sweep.sql`).
 */

import type { LogKind } from '../log-kinds.ts'

/** Kinds of log rows of which only the latest on each key is kept. */
export type SweptLogKind = Extract<
  LogKind,
  'receipt' | 'deviceList' | 'accountData' | 'userDevices' | 'profile' | 'session'
>

/** Rows outside of the logs whose time is over. */
export type ExpiredKind = 'loginToken' | 'openIdToken' | 'media' | 'claimedKey'

/** The most rows of each that are deleted at a time. */
export const expiredAtOnce = 500

export interface LogStep {
  readonly shard: number
  /** The epoch under which the sweeper owns the shard. */
  readonly epoch: number
  /** The position up to which the owner knows his commits answered: above it one may still have to be recognised. */
  readonly upTo: number
  /** Milliseconds: younger rows are not looked at. By the database's clock. */
  readonly ageMs: number
  /** So many rows of the log are looked at, at most. */
  readonly look: number
}

/**
 * What became of a step.
 * - `fenced`: nothing was done; the shard has another owner or epoch.
 * - `done`: so many rows were deleted. `waitMs`: when there can be more to do; undefined: not before the next commit.
 */
export type LogStepResult =
  | { readonly kind: 'fenced' }
  | {
      readonly kind: 'done'
      readonly deleted: Readonly<Partial<Record<SweptLogKind, number>>>
      readonly waitMs: number | undefined
    }

export interface SweepStore {
  /** One step of the walk through a shard's log, in one fenced transaction. Throws what the database threw; it may be repeated. */
  sweepLog(step: LogStep): Promise<LogStepResult>
  /**
   * Deletes tokens and reservations that had expired before `beforeMs` (wall clock, epoch milliseconds), and one-time keys that had been
   * given out a day before it, `expiredAtOnce` of each at most. Returns how many. Not fenced: what has expired is over, whoever says so.
   */
  sweepExpired(beforeMs: number): Promise<Readonly<Record<ExpiredKind, number>>>
}
