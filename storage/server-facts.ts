/** What a PostgreSQL server says of itself to somebody who looks after it. Nothing is decided by it. */

import type { Reads } from './reads.ts'

export interface ServerFacts {
  /** Such as `18.4`. */
  readonly version: string
  readonly fsync: boolean
  readonly fullPageWrites: boolean
  readonly synchronousCommit: string
  readonly autovacuum: boolean
  readonly maxConnections: number
  /** Kept for superusers. */
  readonly reservedConnections: number
  /** Connections of all databases of the server now, this one included. */
  readonly connections: number
  readonly databaseBytes: number
  /** Age of the oldest transaction that is open, milliseconds; vacuum cannot clean up behind it. */
  readonly oldestTransactionMs: number
  /** Transactions since the oldest one that is not frozen; the server stops before two thousand million. */
  readonly transactionAge: number
  /** WAL that replication slots hold back, bytes; 0 without slots. */
  readonly retainedWalBytes: number
  /** Epoch milliseconds, by the server's clock. */
  readonly nowMs: number
}

/** Reads them in one statement. */
export async function readServerFacts(reads: Reads): Promise<ServerFacts> {
  const [facts] = await reads.sql<ServerFacts[]>`
    select current_setting('server_version') as version, current_setting('fsync')::boolean as fsync,
      current_setting('full_page_writes')::boolean as "fullPageWrites",
      current_setting('synchronous_commit') as "synchronousCommit", current_setting('autovacuum')::boolean as autovacuum,
      current_setting('max_connections')::integer as "maxConnections",
      current_setting('superuser_reserved_connections')::integer as "reservedConnections",
      (select count(*) from pg_stat_activity where backend_type = 'client backend') as connections,
      pg_database_size(current_database()) as "databaseBytes",
      coalesce((select max(extract(epoch from clock_timestamp() - xact_start) * 1000)::bigint from pg_stat_activity
        where backend_type = 'client backend' and pid <> pg_backend_pid()), 0) as "oldestTransactionMs",
      (select max(age(datfrozenxid))::bigint from pg_database) as "transactionAge",
      coalesce((select max(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn))::bigint from pg_replication_slots), 0)
        as "retainedWalBytes",
      (extract(epoch from clock_timestamp()) * 1000)::bigint as "nowMs"`
  if (facts === undefined) throw new Error('the server did not answer with a row')
  return facts
}

/** The numbers of the migrations that the database has, ascending. */
export async function appliedMigrations(reads: Reads): Promise<number[]> {
  const rows = await reads.sql<{ id: number }[]>`select id from migration order by id`
  return rows.map(({ id }) => id)
}
