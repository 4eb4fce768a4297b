/**
 * Databases for tests: clones of one migrated template on one PostgreSQL server, which all test processes of this checkout share
 * (`.tools/postgres-test`). The first test starts it; `postgres-watch.ts` stops it when nobody has used it for a while.
 */

import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'

import { openSql, socketUrl, type Sql, type StorageOptions } from '#storage/connection.ts'
import { addressOf } from '#storage/embedded.ts'
import { createCluster, ensureRunning, findPlace, type ServerPlace } from '#storage/embedded/server.ts'
import { initialise, migrate, readMigrations } from '#storage/migrate.ts'
import { openDatabase, type Database } from '#storage/pool.ts'

export interface TestDatabase extends AsyncDisposable {
  readonly database: Database
  /** For a second `openDatabase`, as another process would have it. */
  readonly options: StorageOptions
  /** The same as a `DATABASE_URL`. */
  readonly url: string
}

export interface TestDatabaseOptions {
  readonly serverName?: string
  readonly shardCount?: number
  /** False: the schema is there, but it is no server's yet. */
  readonly initialised?: boolean
  /** False: no table is there. */
  readonly migrated?: boolean
  readonly storage?: Partial<Omit<StorageOptions, 'url'>>
}

const directory = fileURLToPath(new URL('../../.tools/postgres-test', import.meta.url))
const watchScript = fileURLToPath(new URL('./postgres-watch.ts', import.meta.url))

/** Locks of the database `postgres`: the one watcher, those who use the server, and whoever makes the template. */
export const testLocks = { watcher: [2, 1], users: [2, 2], template: [2, 3] } as const

/** Settings of the shared server: many tests at once, each with a few connections. */
const settings = { max_connections: '300', shared_buffers: '64MB', checkpoint_timeout: '1h' }

const attachAttempts = 50

/** The shared server's place. */
export function testServer(): Promise<ServerPlace> {
  return findPlace(directory, settings)
}

/** Options with limits that suit tests. */
export function testStorageOptions(place: ServerPlace, database: string): StorageOptions {
  return {
    url: { ...addressOf(place), database },
    reads: 4,
    statementTimeoutMs: 10_000,
    lockTimeoutMs: 5000,
    idleInTransactionMs: 2000,
    applicationName: 'test',
  }
}

/** A database of its own, to be disposed by the test (`await using`); it is dropped then, whoever is still connected. */
export async function testDatabase(options: TestDatabaseOptions = {}): Promise<TestDatabase> {
  await using stack = new AsyncDisposableStack()
  const { place, sql } = await attach()
  stack.defer(() => sql.end({ timeout: 0 }))
  const template = options.migrated === false ? 'template1' : await makeTemplate(place, sql)
  const name = `t_${randomBytes(8).toString('hex')}`
  await sql.unsafe(`create database ${name} template ${template}`)
  stack.defer(async () => {
    await sql.unsafe(`drop database if exists ${name} with (force)`)
  })
  const storage = { ...testStorageOptions(place, name), ...options.storage }
  const database = stack.use(await openDatabase(storage))
  if (options.migrated !== false && options.initialised !== false) {
    await initialise(database, {
      serverName: options.serverName ?? 'test.local',
      shardCount: options.shardCount ?? 64,
    })
  }
  const owned = stack.move()
  return {
    database,
    options: storage,
    url: socketUrl({ ...addressOf(place), database: name }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** Makes sure that the server runs and is watched, and holds it with a session of our own. */
async function attach(): Promise<{ place: ServerPlace; sql: Sql }> {
  const place = await testServer()
  for (let attempt = 1; ; attempt++) {
    await createCluster(place, () => {})
    await ensureRunning(place, () => {})
    const sql = openSql(testStorageOptions(place, 'postgres'), { purpose: 'holder', max: 1 })
    try {
      await sql`select pg_advisory_lock_shared(${testLocks.users[0]}::integer, ${testLocks.users[1]}::integer)`
      const [watch] = await sql<{ present: boolean }[]>`
        select exists (select from pg_locks where locktype = 'advisory' and granted
          and classid = ${testLocks.watcher[0]} and objid = ${testLocks.watcher[1]}) as present`
      if (!watch?.present) spawn(process.execPath, [watchScript], { detached: true, stdio: 'ignore' }).unref()
      return { place, sql }
    } catch (error) {
      // The watcher was just stopping the server.
      await sql.end({ timeout: 0 })
      if (attempt >= attachAttempts) throw error
    }
  }
}

/** The migrated database for these migrations, made by whoever comes first. */
async function makeTemplate(place: ServerPlace, sql: Sql): Promise<string> {
  const migrations = await readMigrations()
  const digest = createHash('sha256').update(JSON.stringify(migrations)).digest('hex').slice(0, 16)
  const name = `template_${digest}`
  const find = async (): Promise<boolean> =>
    (await sql`select from pg_database where datname = ${name}`).length > 0
  if (await find()) return name
  const [space, key] = testLocks.template
  await sql`select set_config('lock_timeout', '60s', false), set_config('statement_timeout', '60s', false)`
  await sql`select pg_advisory_lock(${space}::integer, ${key}::integer)`
  try {
    if (await find()) return name
    const making = `making_${digest}`
    await sql.unsafe(`drop database if exists ${making} with (force)`)
    await sql.unsafe(`create database ${making}`)
    {
      await using database = await openDatabase(testStorageOptions(place, making))
      await migrate(database)
    }
    // A clone needs a template that nobody is connected to; a session that was just closed may linger for a moment.
    await sql`select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = ${making}`
    await sql.unsafe(`alter database ${making} rename to ${name}`)
    return name
  } finally {
    await sql`select pg_advisory_unlock(${space}::integer, ${key}::integer)`
  }
}
