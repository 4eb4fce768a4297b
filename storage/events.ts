/**
 * What storage tells about itself, once; logs, metrics and tests subscribe (`node:diagnostics_channel`). Publishing costs
 * nothing while nobody listens. No fact carries a parameter of a statement: those are messages and secrets.
 */

import { channel } from 'node:diagnostics_channel'

export interface CommitFact {
  /** What became of the group, or `failed` when the call threw. */
  readonly outcome: 'committed' | 'fenced' | 'behind' | 'seen' | 'failed'
  readonly shards: number
  readonly logRows: number
  /** Rows other than those of the log. */
  readonly rows: number
  /** Bytes of the call's arguments. */
  readonly bytes: number
  readonly durationMs: number
  /** SQLSTATE or the driver's code of a failure. */
  readonly code?: string
}

export interface MigrationFact {
  readonly id: number
  readonly name: string
  readonly durationMs: number
}

export interface SlowQueryFact {
  /** The statement without its values. */
  readonly statement: string
  readonly durationMs: number
}

/** A time in which reads had to wait for a connection: its beginning, and its end with how many waited. */
export type PoolExhaustedFact =
  | { readonly what: 'began'; readonly connections: number }
  | {
      readonly what: 'ended'
      readonly connections: number
      readonly waited: number
      readonly durationMs: number
    }

export interface ConnectionSilentFact {
  /** What the connection was for. */
  readonly purpose: string
  /** For how long nothing has been answered, milliseconds. */
  readonly silentMs: number
  /** Statements that fail with it. */
  readonly statements: number
}

/** The embedded server has ended and does not start; it is tried again. */
export interface EmbeddedDownFact {
  readonly error: unknown
}

/** The database is another one than before, or has gone back. */
export interface IncarnationFact {
  /** When the newest event was sent that it has, epoch milliseconds: what was committed after it is lost. Undefined: it has none, or does not say. */
  readonly newestEventMs: number | undefined
}

export const storageChannels = {
  commit: channel('troupe.storage.commit'),
  migrationApplied: channel('troupe.storage.migration-applied'),
  slowQuery: channel('troupe.storage.slow-query'),
  poolExhausted: channel('troupe.storage.pool-exhausted'),
  connectionSilent: channel('troupe.storage.connection-silent'),
  incarnation: channel('troupe.storage.incarnation'),
  embeddedDown: channel('troupe.storage.embedded-down'),
} as const

/** A commit was answered or failed. */
export function commitDone(fact: CommitFact): void {
  if (storageChannels.commit.hasSubscribers) storageChannels.commit.publish(fact)
}

/** A migration was applied and committed. */
export function migrationApplied(fact: MigrationFact): void {
  if (storageChannels.migrationApplied.hasSubscribers) storageChannels.migrationApplied.publish(fact)
}

/** A read took longer than it should. */
export function querySlow(fact: SlowQueryFact): void {
  if (storageChannels.slowQuery.hasSubscribers) storageChannels.slowQuery.publish(fact)
}

/** Reads have begun to wait for connections, or do so no more. */
export function poolExhausted(fact: PoolExhaustedFact): void {
  if (storageChannels.poolExhausted.hasSubscribers) storageChannels.poolExhausted.publish(fact)
}

/** A connection that answers nothing was thrown away. */
export function connectionSilent(fact: ConnectionSilentFact): void {
  if (storageChannels.connectionSilent.hasSubscribers) storageChannels.connectionSilent.publish(fact)
}

/** The embedded server could not be started again. */
export function embeddedDown(fact: EmbeddedDownFact): void {
  if (storageChannels.embeddedDown.hasSubscribers) storageChannels.embeddedDown.publish(fact)
}

/** Another incarnation has begun. */
export function incarnationBegan(fact: IncarnationFact): void {
  if (storageChannels.incarnation.hasSubscribers) storageChannels.incarnation.publish(fact)
}
