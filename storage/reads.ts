/**
 * What may be asked of Postgres. `Reads` cannot change anything: its connections run read-only transactions. Query
 * functions live beside their subject (`rooms/`, `users/`, `e2ee/` …), take a `Reads` first, and map rows to domain types in the
 * same file.
 */

import type postgres from 'postgres'

/**
 * What a row refers to is not there. They were committed together, so that between two statements the database has gone back to what it was
 * before: asked again, it answers by what it has now.
 */
export class RowsGone extends Error {
  override readonly name = 'RowsGone'
}

export interface Reads {
  /** A tagged template; every value is a parameter. Answers within the role's `statement_timeout` or throws. */
  readonly sql: postgres.Sql<{ bigint: number }>
}
