import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testDatabase } from '#test/support/postgres.ts'
import { PostgresClusterStore } from './cluster-postgres.ts'

test(
  'a lease is renewed while the connection for small statements is busy',
  { timeout: 30_000 },
  async () => {
    await using db = await testDatabase()
    await using store = new PostgresClusterStore(db.database)
    await store.join({ hostId: '11', name: 'one', version: '1', roles: ['actors'] }, () => {})
    let isBusy = true
    const busy = db.database.control.sql`select pg_sleep(3)`.then(() => (isBusy = false))
    assert.equal(await store.renew('11', 'able'), true)
    assert.equal(isBusy, true)
    await busy
  },
)

test(
  'the end of a session is told once, and the next renewal holds the lock again over another one',
  { timeout: 30_000 },
  async () => {
    await using db = await testDatabase()
    await using store = new PostgresClusterStore(db.database)
    const { promise: ended, resolve } = Promise.withResolvers<void>()
    let ends = 0
    await store.join({ hostId: '11', name: 'one', version: '1', roles: ['actors'] }, () => {
      ends++
      resolve()
    })
    const { sql } = db.database.reads
    const holders = async (): Promise<number[]> => {
      const rows = await sql<{ pid: number }[]>`
        select pid from pg_locks join pg_database d on d.oid = database
        where locktype = 'advisory' and objid = 11 and classid = 0 and datname = current_database()`
      return rows.map(({ pid }) => pid)
    }
    const [before = 0] = await holders()
    await sql`select pg_terminate_backend(${before}, 5000)`
    await ended
    assert.deepEqual(await holders(), [])
    assert.equal(await store.renew('11', 'able'), true)
    const after = await holders()
    assert.equal(after.length, 1)
    assert.notEqual(after[0], before)
    assert.equal(ends, 1)
  },
)
