import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testDatabase } from '#test/support/postgres.ts'
import { PostgresClusterStore } from './cluster-postgres.ts'

test(
  'a host whose process has ended takes part no more, although its lease holds and it owns nothing',
  { timeout: 30_000 },
  async () => {
    await using db = await testDatabase()
    const record = { version: '1', roles: ['actors'] }
    await using one = new PostgresClusterStore(db.database)
    await one.join({ ...record, hostId: '11', name: 'one' }, () => {})
    const other = new PostgresClusterStore(db.database)
    await other.join({ ...record, hostId: '12', name: 'other' }, () => {})
    const names = async (): Promise<string[]> => (await one.survey()).hosts.map((host) => host.name)
    assert.deepEqual(await names(), ['one', 'other'])
    await other[Symbol.asyncDispose]()
    // Right after a start of the server no session is a sign of nothing, so the first seconds are waited for in the server.
    await db.database.control
      .sql`select pg_sleep(greatest(0, 5.1 - extract(epoch from clock_timestamp() - pg_postmaster_start_time())))`
    assert.deepEqual(await names(), ['one'])
  },
)
