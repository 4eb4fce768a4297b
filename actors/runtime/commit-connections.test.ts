/** On a real Postgres that refuses the connections of a role, as it does when there are too many. */

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { shardChannel, type ShardEvent } from './events.ts'
import { shardOf } from './shards.ts'
import { askCounter } from '#test/support/model-host.ts'
import { RealWorld } from '#test/support/real-host.ts'

const limit = { timeout: 60_000 }
const add = { kind: 'add', body: { by: 1, txnKey: 'once' } } as const

interface CommittingRole extends AsyncDisposable {
  readonly name: string
  /** Refuses new connections of it, and ends those that there are; or lets it connect again. */
  refuse(refused: boolean): Promise<void>
}

/** A role that may store what actors decide. */
async function committingRole({ database }: RealWorld): Promise<CommittingRole> {
  const name = `r_${randomBytes(6).toString('hex')}`
  const { sql } = database.control
  await sql.unsafe(`create role ${name} login`)
  await sql.unsafe(`grant all on all tables in schema public to ${name}`)
  await sql.unsafe(`grant all on all sequences in schema public to ${name}`)
  return {
    name,
    refuse: async (refused) => {
      await sql.unsafe(`alter role ${name} connection limit ${refused ? 0 : -1}`)
      if (refused) await sql`select pg_terminate_backend(pid) from pg_stat_activity where usename = ${name}`
    },
    [Symbol.asyncDispose]: async () => {
      await sql`select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = ${name}`
      await sql.unsafe(`drop owned by ${name}`)
      await sql.unsafe(`drop role ${name}`)
    },
  }
}

async function until(condition: () => boolean, limitMs: number, what: string): Promise<void> {
  const endMs = performance.now() + limitMs
  while (!condition()) {
    assert.ok(performance.now() < endMs, what)
    await delay(20)
  }
}

/** What is said on `troupe:shard` until it is disposed. */
function collectShardEvents(): ShardEvent[] & Disposable {
  const events: ShardEvent[] = []
  const listen = (event: unknown): void => void events.push(event as ShardEvent)
  shardChannel.subscribe(listen)
  return Object.assign(events, { [Symbol.dispose]: () => shardChannel.unsubscribe(listen) })
}

test(
  'a host to which Postgres gives no connections for commits claims nothing, says once what to do, and claims when it gets them',
  limit,
  async () => {
    await using world = await RealWorld.open(8)
    await using role = await committingRole(world)
    await role.refuse(true)
    using events = collectShardEvents()
    await using real = await world.start({ committing: role.name })
    await delay(1500)
    assert.deepEqual(real.host.ownedShards, [])
    const lacks = events.filter(({ what }) => what === 'no-connections')
    assert.equal(lacks.length, 1)
    assert.match(String(lacks[0]?.error), /too many connections for role.*CONNECTION LIMIT/)
    await role.refuse(false)
    await until(() => real.host.ownedShards.length === 8, 10_000, 'it has not claimed')
    assert.deepEqual(await askCounter(real.host, 'x', add), { sum: 1 })
  },
)

test(
  'a host that cannot connect for commits any more gives its shards to another, which stores what was asked, once',
  limit,
  async () => {
    await using world = await RealWorld.open(8)
    await using role = await committingRole(world)
    await using other = await world.start()
    await using real = await world.start({ committing: role.name })
    await until(() => real.host.ownedShards.length === 4, 15_000, 'the shards are not shared')
    const key = Array.from({ length: 100 }, (_, i) => `k${i}`).find((name) =>
      real.host.ownedShards.includes(shardOf(name, 8)),
    )
    assert.ok(key !== undefined)
    await role.refuse(true)
    const asked = askCounter(other.host, key, { ...add, options: { timeoutMs: 30_000 } })
    await until(() => other.host.ownedShards.length === 8, 15_000, 'the shards have not moved')
    assert.deepEqual(await asked, { sum: 1 })
    assert.deepEqual(real.host.ownedShards, [])
    await role.refuse(false)
    await until(() => real.host.ownedShards.length === 4, 15_000, 'it has not taken its share back')
  },
)
