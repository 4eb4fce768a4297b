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
    await store.join({ hostId: '11', name: 'one', version: '1', roles: ['actors'] })
    let isBusy = true
    const busy = db.database.control.sql`select pg_sleep(3)`.then(() => (isBusy = false))
    assert.equal(await store.renew('11', 'able'), true)
    assert.equal(isBusy, true)
    await busy
  },
)
