/**
 * A connection of its own that may write: for leases, claims, numbers and secrets, and for migrations. What actors store
 * goes through the commit store instead.
 */

import type { Sql } from './connection.ts'

export class Session implements AsyncDisposable {
  readonly sql: Sql

  constructor(sql: Sql) {
    this.sql = sql
  }

  /** Ends the connection; a statement under way gets half a second. May be called again. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.sql.end({ timeout: 0.5 })
  }
}
