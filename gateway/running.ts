/**
 * What composition gives to the commands: a running process that can be ended.
 */

import type { Logger } from 'pino'
import type { Config } from './config/schema.ts'

/** Name of the secret in the database that lets commands act on a running server. */
export const operatorTokenName = 'operator_token'

export interface Running extends AsyncDisposable {
  /** URLs on which clients are served; empty without the gateway role. */
  readonly listening: readonly string[]
  /** URLs of /health, /ready and /metrics; empty if they are not served apart. */
  readonly operatorListening: readonly string[]
  /** The registration token that is in force; undefined unless registration asks for one. */
  readonly registrationToken: string | undefined
  /** No account exists yet. */
  readonly isEmpty: boolean
  /** Demanded by the requests of `gateway/admin/`. */
  readonly operatorToken: string
}

export interface ComposeOptions {
  readonly log: Logger
  /** Told before each step of the start that may take long, in words for a person. */
  readonly onProgress: (text: string) => void
  /**
   * Aborted when the end has to be soon, whether the start is over or not: every connection to Postgres and NATS is given up, so that
   * whatever waits for an answer fails.
   */
  readonly cut?: AbortSignal | undefined
}

/**
 * Builds and starts everything that the configuration asks for. Disposing answers what is under way, drains, and ends.
 * Throws ListenError, DataDirectoryInUse, SchemaMismatch, UnsafeSettings, and what the database's driver throws.
 */
export type Compose = (config: Config, options: ComposeOptions) => Promise<Running>
