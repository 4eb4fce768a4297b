import assert from 'node:assert/strict'
import { subscribe, unsubscribe, type Channel } from 'node:diagnostics_channel'
import { test } from 'node:test'

import { testDatabase } from '#test/support/postgres.ts'
import { openSql } from './connection.ts'
import { storageChannels, type MigrationFact, type PoolExhaustedFact, type SlowQueryFact } from './events.ts'
import { initialise, migrate, readMigrations, SchemaMismatch } from './migrate.ts'
import { openDatabase } from './pool.ts'
import { unsafeSetting } from './settings.ts'

const limit = { timeout: 30_000 }

/** The facts published on a channel while it is in use. */
function facts<T>({ name }: Channel): Disposable & { readonly seen: T[] } {
  const seen: T[] = []
  const listen = (fact: unknown): void => void seen.push(fact as T)
  subscribe(name, listen)
  return { seen, [Symbol.dispose]: () => unsubscribe(name, listen) }
}

test('numbers, masks, bytes and arrays come back as they went', limit, async () => {
  await using db = await testDatabase({ migrated: false })
  const { sql } = db.database.reads
  const texts = ['plain', '', 'a,b', 'quote " and \\ back', '{}', 'NULL', 'ünïcode 😀']
  const [row] = await sql`
    select ${2 ** 53 - 1}::bigint as big, ${[1, -2]}::bigint[] as bigs, ${[3]}::integer[] as ints, ${[]}::text[] as none,
      ${texts}::text[] as texts, ${Buffer.from([0, 255])}::bytea as bytes, ${'{"a":[1]}'}::json as parsed, ${null}::text as absent`
  assert.deepEqual(
    { ...row },
    {
      big: 2 ** 53 - 1,
      bigs: [1, -2],
      ints: [3],
      none: [],
      texts,
      bytes: Buffer.from([0, 255]),
      parsed: { a: [1] },
      absent: null,
    },
  )
})

test('a number that does not fit is an error and never another number', limit, async () => {
  await using db = await testDatabase({ migrated: false })
  await assert.rejects(async () => db.database.reads.sql`select 9007199254740993::bigint as n`, RangeError)
})

test('a URL names the directory of a socket as libpq has it', limit, async () => {
  await using db = await testDatabase({ migrated: false })
  const sql = openSql({ ...db.options, url: db.url }, { purpose: 'url', max: 1 })
  const [row] = await sql`select current_setting('application_name') as name`
  assert.equal(row?.['name'], 'test url')
  await sql.end()
})

test('migrations are applied once, also by two processes at once, and are told', limit, async () => {
  await using db = await testDatabase({ migrated: false })
  await using other = await openDatabase(db.options)
  using told = facts<MigrationFact>(storageChannels.migrationApplied)
  const progress: string[] = []
  const onProgress = (text: string): void => void progress.push(text)
  await Promise.all([migrate(db.database, { onProgress }), migrate(other, { onProgress })])
  const known = await readMigrations()
  assert.deepEqual(
    told.seen.map(({ id }) => id),
    known.map(({ id }) => id),
  )
  assert.equal(progress.length, known.length)
  await migrate(db.database, { onProgress })
  assert.equal(progress.length, known.length)
})

test(
  'a database that lacks no migration is used at once, whoever migrates at that moment',
  limit,
  async () => {
    await using db = await testDatabase()
    await using other = db.database.session('other')
    await other.sql`select pg_advisory_lock(${0x74726f})`
    const progress: string[] = []
    await migrate(db.database, { onProgress: (text) => void progress.push(text) })
    assert.deepEqual(progress, [])
  },
)

test('migration numbers ascend without a gap', limit, async () => {
  const ids = (await readMigrations()).map(({ id }) => id)
  assert.deepEqual(
    ids,
    ids.map((_, i) => i + 1),
  )
})

test(
  'a database with a later migration is refused if that one breaks this program, and used if it only adds',
  limit,
  async () => {
    await using db = await testDatabase()
    const { sql } = db.database.control
    await sql`insert into migration (id, name, breaking) values (9001, 'adds', false)`
    await migrate(db.database)
    await sql`insert into migration (id, name, breaking) values (9002, 'breaks', true)`
    await assert.rejects(migrate(db.database), (error) => {
      assert(error instanceof SchemaMismatch)
      assert.match(error.message, /migration 9002 \(breaks\)/)
      return true
    })
  },
)

test('a database belongs to one server name and one number of shards', limit, async () => {
  await using db = await testDatabase({ initialised: false })
  await Promise.all([1, 2].map(() => initialise(db.database, { serverName: 'a.example', shardCount: 64 })))
  assert.equal((await db.database.reads.sql`select from shard`).length, 64)
  await assert.rejects(
    initialise(db.database, { serverName: 'b.example', shardCount: 64 }),
    /belongs to the server a\.example/,
  )
  await assert.rejects(initialise(db.database, { serverName: 'a.example', shardCount: 32 }), /has 64 shards/)
})

test('settings that lose data are refused with the remedy', () => {
  const good = { version: 180000, fsync: 'on', synchronousCommit: 'on', encoding: 'UTF8', inRecovery: false }
  assert.equal(unsafeSetting(good), undefined)
  assert.equal(unsafeSetting({ ...good, synchronousCommit: 'remote_apply' }), undefined)
  assert.match(unsafeSetting({ ...good, version: 130012 }) ?? '', /PostgreSQL 13 is too old/)
  assert.match(unsafeSetting({ ...good, fsync: 'off' }) ?? '', /fsync = on/)
  assert.match(unsafeSetting({ ...good, synchronousCommit: 'off' }) ?? '', /synchronous_commit/)
  assert.match(unsafeSetting({ ...good, encoding: 'LATIN1' }) ?? '', /encoding 'UTF8'/)
  assert.match(unsafeSetting({ ...good, inRecovery: true }) ?? '', /standby/)
})

test('a database whose settings lose data is not opened', limit, async () => {
  await using db = await testDatabase({ migrated: false })
  const { sql } = db.database.control
  await sql.unsafe(
    `alter database ${(await sql`select current_database() as name`)[0]?.['name']} set synchronous_commit = off`,
  )
  await assert.rejects(openDatabase(db.options), { name: 'UnsafeSettings' })
})

test('a statement runs no longer than its limit', limit, async () => {
  await using db = await testDatabase({ migrated: false, storage: { statementTimeoutMs: 50 } })
  await assert.rejects(async () => db.database.reads.sql`select pg_sleep(20)`, { code: '57014' })
})

test('slow reads are told without values', limit, async () => {
  await using db = await testDatabase({ migrated: false, storage: { reads: 1 } })
  using slow = facts<SlowQueryFact>(storageChannels.slowQuery)
  const { sql } = db.database.reads
  await sql`select pg_sleep(0.26), ${'secret'}::text`
  assert.deepEqual(
    slow.seen.map(({ statement }) => statement),
    ['select pg_sleep(0.26), ?::text'],
  )
})

test('a time of too few connections is told once at its beginning and once at its end', limit, async () => {
  await using db = await testDatabase({ migrated: false, storage: { reads: 1 } })
  using exhausted = facts<PoolExhaustedFact>(storageChannels.poolExhausted)
  const { sql } = db.database.reads
  await sql`select 1`
  assert.deepEqual(exhausted.seen, [])
  // Again and again one too many: each time one of the two has to wait.
  for (let time = 0; time < 20; time++) await Promise.all([1, 2].map(() => sql`select pg_sleep(0.01)`))
  assert.deepEqual(exhausted.seen, [{ what: 'began', connections: 1 }])
  const ended = await nextFact<PoolExhaustedFact>(storageChannels.poolExhausted)
  assert.ok(ended.what === 'ended' && ended.waited === 20, JSON.stringify(ended))
  assert.ok(ended.durationMs >= 200 && ended.durationMs < 10_000)
})

test('a statement that fails twice, or before it was run, is counted once or not at all', limit, async () => {
  await using db = await testDatabase({ migrated: false, storage: { reads: 1 } })
  using exhausted = facts<PoolExhaustedFact>(storageChannels.poolExhausted)
  const { sql } = db.database.reads
  for (let time = 0; time < 3; time++) {
    await assert.rejects(async () => sql`select 1 / 0`)
    await assert.rejects(async () => sql`select ${undefined as unknown as string}::text`)
  }
  // What was counted down too often would let one too many pass unnoticed.
  await Promise.all([1, 2].map(() => sql`select pg_sleep(0.01)`))
  assert.equal(exhausted.seen.length, 1)
})

/** The next fact that is published on a channel. */
function nextFact<T>({ name }: Channel): Promise<T> {
  return new Promise((resolve) => {
    const listen = (fact: unknown): void => {
      unsubscribe(name, listen)
      resolve(fact as T)
    }
    subscribe(name, listen)
  })
}
