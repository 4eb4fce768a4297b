/** A claim does not wait for those who hold rows of shards: they may be nobody who ever goes on. */

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { testDatabase } from '#test/support/postgres.ts'
import { startLine } from '#test/support/tcp-proxy.ts'
import { openDatabase } from '../pool.ts'
import { registerHost } from './leases.ts'
import { claimShards } from './shards.ts'

const limit = { timeout: 30_000 }
const me = { hostId: 11, name: 'me', version: '1', roles: 'actors' }
const seen = [3, 4, 5].map((shard) => ({ shard, epoch: 0 }))
/** The message of the protocol after which a statement commits. */
const syncBytes = 5

test('a shard whose row somebody holds is left, and the others are claimed at once', limit, async () => {
  await using db = await testDatabase()
  await using session = db.database.session('a')
  await using other = db.database.session('b')
  await registerHost(session, me)
  await other.sql.begin(async (sql) => {
    await sql`select from shard where shard_id = 4 for update`
    const claimed = await claimShards(session, me.hostId, seen)
    assert.deepEqual(new Set(claimed.map(({ shard }) => shard)), new Set([3, 5]))
  })
  assert.deepEqual([...(await claimShards(session, me.hostId, seen))], [{ shard: 4, epoch: 1 }])
})

test('a server that holds a row and has said only half of what it wants is cut off', limit, async () => {
  await using stack = new AsyncDisposableStack()
  const db = stack.use(await testDatabase())
  const { url } = db.options
  assert.ok(typeof url === 'object')
  const directory = await mkdtemp(join(tmpdir(), 'line-'))
  stack.defer(() => rm(directory, { recursive: true, force: true }))
  const socket = `.s.PGSQL.${url.port}`
  const line = stack.use(await startLine({ path: join(url.host, socket) }, { path: join(directory, socket) }))
  const applicationName = 'troupe stopped'
  const half = stack.use(
    await openDatabase({ ...db.options, url: { ...url, host: directory }, applicationName }),
  )
  const touch = (text: string): Promise<unknown> =>
    half.control.sql`update shard set epoch = epoch where shard_id = 4 and ${text}::text <> ''`.execute()
  await touch('whole')
  const kept = line.keepEndOfRequest('no end', syncBytes)
  const failed = assert.rejects(touch('no end'))
  await kept
  const session = stack.use(db.database.session('a'))
  await registerHost(session, me)
  const claim = async (): Promise<number> => (await claimShards(session, me.hostId, seen)).length
  assert.equal(await claim(), 2)
  assert.equal(await claim(), 0, 'it may be on its way for a moment')
  await delay(2100)
  assert.equal(await claim(), 0)
  await failed
  assert.deepEqual([...(await claimShards(session, me.hostId, seen))], [{ shard: 4, epoch: 1 }])
})
