/**
 * Brings a database to the schema of this program. Migrations are the numbered files of `migrations/`, applied in order, each in
 * one transaction. A file whose first line is `--! breaking` cannot be followed by programs that do not know it; others only
 * add, so that a program of the release before goes on working beside them.
 */

import { readdir, readFile } from 'node:fs/promises'

import type { Sql } from './connection.ts'
import { migrationApplied } from './events.ts'
import type { Database } from './pool.ts'
import type { Session } from './session.ts'

/** The database and this program do not fit together. The message says what to do. */
export class SchemaMismatch extends Error {
  override readonly name = 'SchemaMismatch'
}

export interface Migration {
  readonly id: number
  readonly name: string
  readonly breaking: boolean
  readonly sql: string
}

export interface MigrateOptions {
  /** Told before each migration, in words for a person. */
  readonly onProgress?: (text: string) => void
}

// Any number that nothing else locks: the first bytes of "troupe" in ASCII.
const migrationLock = 0x74726f

const folder = new URL('./migrations/', import.meta.url)

/** The migrations of this program, ascending. */
export async function readMigrations(): Promise<Migration[]> {
  return Promise.all(
    (await listFiles()).map(async (file) => {
      const sql = await readFile(new URL(file, folder), 'utf8')
      return { id: idOf(file), name: file.slice(5, -4), breaking: sql.startsWith('--! breaking'), sql }
    }),
  )
}

async function listFiles(): Promise<string[]> {
  return (await readdir(folder)).filter((file) => /^\d{4}-.*\.sql$/.test(file)).toSorted()
}

function idOf(file: string): number {
  return Number(file.slice(0, 4))
}

/**
 * Applies what is missing; several processes may call it at once. Throws `SchemaMismatch` if the database has a breaking
 * migration that this program does not know.
 */
export async function migrate(database: Database, options: MigrateOptions = {}): Promise<void> {
  if (await isMigrated(database.control)) return
  const known = await readMigrations()
  await using session = database.session('migrate', undefined, 'patient')
  const { sql } = session
  // A migration may take long and may wait for another process that migrates.
  await sql`select set_config('statement_timeout', '0', false), set_config('lock_timeout', '0', false)`
  await sql`select pg_advisory_lock(${migrationLock})`
  await sql`
    create table if not exists migration (
      id         integer primary key,
      name       text not null,
      breaking   boolean not null,
      applied_at timestamptz not null default now()
    )`
  const rows = await readApplied(sql)
  refuseNewer(rows, known.at(-1)?.id ?? 0)
  const applied = new Set(rows.map((row) => row.id))
  for (const migration of known) {
    if (applied.has(migration.id)) continue
    options.onProgress?.(`Applying migration ${migration.id} (${migration.name}).`)
    await applyOne(sql, migration)
  }
}

/** Whether nothing is missing, as at almost every start: then there is nothing to lock, and nobody to wait for. */
async function isMigrated({ sql }: Session): Promise<boolean> {
  const [table] = await sql<{ present: boolean }[]>`select to_regclass('migration') is not null as present`
  if (table?.present !== true) return false
  const known = (await listFiles()).map(idOf)
  const rows = await readApplied(sql)
  refuseNewer(rows, known.at(-1) ?? 0)
  const applied = new Set(rows.map((row) => row.id))
  return known.every((id) => applied.has(id))
}

type Applied = Pick<Migration, 'id' | 'name' | 'breaking'>

async function readApplied(sql: Sql): Promise<readonly Applied[]> {
  return sql<Applied[]>`select id, name, breaking from migration`
}

/** `newest`: the id of the last migration that this program knows. */
function refuseNewer(rows: readonly Applied[], newest: number): void {
  const stranger = rows.find((row) => row.id > newest && row.breaking)
  if (stranger) {
    throw new SchemaMismatch(
      `The database has migration ${stranger.id} (${stranger.name}), which this program does not know: ` +
        'start the newer version that applied it, or restore a backup from before.',
    )
  }
}

async function applyOne(sql: Sql, migration: Migration): Promise<void> {
  const start = performance.now()
  await sql.begin(async (transaction) => {
    await transaction.unsafe(migration.sql).simple()
    await transaction`
      insert into migration (id, name, breaking) values (${migration.id}, ${migration.name}, ${migration.breaking})`
  })
  migrationApplied({ id: migration.id, name: migration.name, durationMs: performance.now() - start })
}

export interface Identity {
  /** The name that is in every id. */
  readonly serverName: string
  readonly shardCount: number
}

/**
 * Makes an empty, migrated database that of a server, or checks that it is that server's already. Throws `SchemaMismatch` if it
 * belongs to another server name or has another number of shards.
 */
export async function initialise(database: Database, identity: Identity): Promise<void> {
  const { sql } = database.control
  const stored = (await readIdentity(sql)) ?? (await makeIdentity(sql, identity))
  if (!stored) throw new SchemaMismatch('The database could not be initialised: the cluster row is missing.')
  if (stored.serverName !== identity.serverName) {
    throw new SchemaMismatch(
      `This database belongs to the server ${stored.serverName}, and the configuration says ${identity.serverName}. A server ` +
        'cannot be renamed, for its name is in every id: set the old name again, or use another database.',
    )
  }
  if (stored.shardCount !== identity.shardCount) {
    throw new SchemaMismatch(
      `This database has ${stored.shardCount} shards and the program expects ${identity.shardCount}.`,
    )
  }
}

async function readIdentity(sql: Sql): Promise<Identity | undefined> {
  const [stored] = await sql<Identity[]>`
    select server_name as "serverName", shard_count as "shardCount" from cluster`
  return stored
}

/** What is stored then: of several processes that make it at once, one does. */
async function makeIdentity(sql: Sql, { serverName, shardCount }: Identity): Promise<Identity | undefined> {
  await sql`
    with made as (
      insert into cluster (incarnation, system_identifier, timeline, shard_count, server_name)
      select 1, system_identifier::text, database_timeline(), ${shardCount}::integer, ${serverName}
      from pg_control_system()
      on conflict do nothing
      returning shard_count
    )
    insert into shard (shard_id) select generate_series(0, shard_count - 1) from made`
  return readIdentity(sql)
}
