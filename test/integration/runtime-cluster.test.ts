/** The runtime on a real Postgres: claims, drain, takeover, fencing, and what becomes of requests meanwhile. */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'

import { shardOf } from '#actors/runtime/shards.ts'
import type { ShardEvent } from '#actors/runtime/events.ts'
import { askCounter } from '#test/support/model-host.ts'
import { RealWorld, type RealHost } from '#test/support/real-host.ts'

const read = { kind: 'read', body: {} } as const
const txnKey = (text: string): string =>
  createHash('sha256').update(text).digest().subarray(0, 16).toString('base64url')
const add = (by: number, txn?: string) =>
  ({ kind: 'add', body: { by, ...(txn !== undefined && { txnKey: txnKey(txn) }) } }) as const

/** Looks until it is so, at most for the limit. */
async function until(what: string, limitMs: number, holds: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = performance.now() + limitMs
  while (!(await holds())) {
    assert.ok(performance.now() < endMs, `not within ${limitMs} ms: ${what}`)
    await pause(10)
  }
}

function keyAt(world: RealWorld, { host }: RealHost): string {
  for (let i = 0; ; i++) if (host.ownedShards.includes(shardOf(`k${i}`, world.shardCount))) return `k${i}`
}

async function two(world: RealWorld, mute?: () => boolean): Promise<[RealHost, RealHost]> {
  const a = await world.start()
  assert.equal(a.host.ownedShards.length, world.shardCount, 'alone it owns everything at once')
  const b = await world.start(mute === undefined ? {} : { mute })
  const half = world.shardCount / 2
  await until('both own a half', 10_000, () => [a, b].every(({ host }) => host.ownedShards.length === half))
  return [a, b]
}

/** The log is gap-free, and its epochs never decrease. */
async function checkLog(world: RealWorld): Promise<void> {
  const { sql } = world.database.reads
  const gaps = await sql`
    select shard_id from log group by shard_id having count(*) <> max(pos) or min(pos) <> 1`
  assert.deepEqual([...gaps], [])
  const regressions = await sql`
    select from (select epoch, lag(epoch) over (partition by shard_id order by pos) as before from log) l
    where epoch < before`
  assert.equal(regressions.length, 0)
}

test('requests go on through a drain, each counts once, and the log has no gap', async () => {
  await using world = await RealWorld.open()
  const [a, b] = await two(world)
  const keys = Array.from({ length: 16 }, (_, i) => `k${i}`)
  const counts = new Map<string, number>()
  let stop = false
  const senders = keys.map(async (key) => {
    for (let i = 0; !stop; i++) {
      await askCounter(b.host, key, add(1, `${key} ${i}`))
      counts.set(key, i + 1)
      await pause(2)
    }
  })
  await until('every key has been added to', 5000, () => counts.size === keys.length)
  const startMs = performance.now()
  await a.host.drain()
  assert.ok(performance.now() - startMs < 5000)
  await until('the other owns everything', 5000, () => b.host.ownedShards.length === world.shardCount)
  stop = true
  await Promise.all(senders)
  for (const key of keys) assert.deepEqual(await askCounter(b.host, key, read), { sum: counts.get(key) })
  await checkLog(world)
  await b.host.drain()
})

test('a host whose sessions end is succeeded at once; its own late commits are fenced', async () => {
  let dead = false
  await using world = await RealWorld.open()
  const [a, b] = await two(world, () => dead)
  const key = keyAt(world, b)
  const shard = shardOf(key, world.shardCount)
  assert.deepEqual(await askCounter(b.host, key, add(1)), { sum: 1 })
  // Postgres must have been up for a while before a free session lock counts as a death.
  await until('session locks count', 10_000, async () => {
    const [row] = await world.database.reads.sql<{ old: boolean }[]>`
      select now() - pg_postmaster_start_time() > interval '5 s' as old`
    return row?.old === true
  })
  const lost = shardEvents('lost')
  dead = true
  await world.database.reads.sql`
    select pg_terminate_backend(pid) from pg_stat_activity
    where application_name = ${`${b.applicationName} lease`} and datname = current_database()`
  const startMs = performance.now()
  await until('taken over', 2000, () => a.host.ownedShards.includes(shard))
  const tookMs = performance.now() - startMs
  assert.ok(tookMs < 1500, `takeover took ${tookMs} ms`)
  assert.deepEqual(
    await askCounter(b.host, key, add(1)),
    { sum: 2 },
    'asked at the zombie, answered by the owner',
  )
  await until('the zombie dropped it', 5000, () => lost.seen.some((event) => event.shard === shard))
  assert.ok(!b.host.ownedShards.includes(shard))
  await checkLog(world)
  lost[Symbol.dispose]()
})

test('a host that cannot renew drops its shards before they are claimed, and comes back as another host', async () => {
  let mute = false
  await using world = await RealWorld.open(4)
  const { host } = await world.start({ mute: () => mute })
  const id = host.hostId
  await askCounter(host, 'x', add(1))
  mute = true
  await until('the lease is uncertain', 6000, () => !host.isMember)
  await until('it is back under another id', 6000, () => host.hostId !== id)
  mute = false
  await until('it owns everything again', 6000, () => host.ownedShards.length === 4)
  assert.deepEqual(await askCounter(host, 'x', read), { sum: 1 })
})

test('connections that are cut under load lose nothing and repeat nothing', async () => {
  await using world = await RealWorld.open(4)
  const { host, applicationName } = await world.start()
  const keys = ['a', 'b', 'c', 'd', 'e', 'f']
  const sums = await Promise.all([
    ...keys.map(async (key) => {
      for (let i = 0; i < 40; i++) await askCounter(host, key, add(1, `${key} ${i}`))
      return key
    }),
    (async () => {
      for (let i = 0; i < 4; i++) {
        await pause(15)
        await world.database.reads.sql`
          select pg_terminate_backend(pid) from pg_stat_activity
          where application_name like ${`${applicationName} commit%`} and datname = current_database()`
      }
      return ''
    })(),
  ])
  assert.equal(sums.length, keys.length + 1)
  for (const key of keys) assert.deepEqual(await askCounter(host, key, read), { sum: 40 })
  const rows = await world.database.reads.sql`select from log`
  assert.equal(rows.length, 40 * keys.length)
  await checkLog(world)
})

test('two decisions of one group that Postgres refuses together: one stands, and nobody else is hurt', async () => {
  await using world = await RealWorld.open(1)
  const { host } = await world.start()
  const options = { timeoutMs: 1000 }
  // The same key twice breaks the unique index; the second then finds it in the log, under a counter that is not its own.
  const same = add(1, 'same')
  const [a, b, c] = await Promise.allSettled([
    askCounter(host, 'a', { ...same, options }),
    askCounter(host, 'b', { ...same, options }),
    askCounter(host, 'c', add(1)),
  ])
  assert.equal([a, b].filter((one) => one.status === 'fulfilled').length, 1)
  assert.equal(c.status, 'fulfilled')
  const rows = await world.database.reads.sql`select from log`
  assert.equal(rows.length, 2)
  await checkLog(world)
})

test('the whole cluster starts quickly on an existing database', async () => {
  await using world = await RealWorld.open(64)
  const startMs = performance.now()
  const { host } = await world.start()
  assert.equal(host.ownedShards.length, 64)
  assert.ok(performance.now() - startMs < 2000)
})

function shardEvents(what: ShardEvent['what']): Disposable & { readonly seen: ShardEvent[] } {
  const seen: ShardEvent[] = []
  const listener = (message: unknown): void => {
    const event = message as ShardEvent
    if (event.what === what) seen.push(event)
  }
  subscribe('troupe:shard', listener)
  return { seen, [Symbol.dispose]: () => void unsubscribe('troupe:shard', listener) }
}
