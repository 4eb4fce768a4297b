import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testDatabase } from '#test/support/postgres.ts'
import type { PoolLoad, PoolLoads } from './pool-loads.ts'

function loadOf(loads: PoolLoads, pool: string): PoolLoad | undefined {
  return loads.read().find((load) => load.pool === pool)
}

test(
  'the connections that are open and busy are counted by what they are for, and the statements that wait for others',
  { timeout: 30_000 },
  async () => {
    await using db = await testDatabase({ storage: { reads: 2 } })
    const { loads, reads } = db.database
    const sleeps = Array.from({ length: 5 }, () => reads.sql`select pg_sleep(0.3)`.execute())
    assert.deepEqual(loadOf(loads, 'reads'), { pool: 'reads', open: 0, busy: 2, waiting: 3 })
    await Promise.all(sleeps)
    assert.deepEqual(loadOf(loads, 'reads'), { pool: 'reads', open: 2, busy: 0, waiting: 0 })
    const stores = [db.database.commitStore(), db.database.commitStore()]
    await stores[0]?.open(AbortSignal.timeout(5000))
    assert.deepEqual(loadOf(loads, 'commit'), { pool: 'commit', open: 1, busy: 0, waiting: 0 })
    await using lease = db.database.session('lease')
    await lease.sql`select`
    assert.equal(loadOf(loads, 'lease')?.open, 1)
    await lease[Symbol.asyncDispose]()
    assert.equal(loadOf(loads, 'lease'), undefined)
    await reads.sql`select pg_terminate_backend(pg_backend_pid())`.catch(() => {})
    assert.equal(loadOf(loads, 'reads')?.open, 1, 'one that is lost is open no more')
  },
)
