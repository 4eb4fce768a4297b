/** Several hosts over one bus and one model of the database. */

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { MatrixError } from '#protocol/errors.ts'
import { ModelBus } from '#test/support/model-bus.ts'
import { BusError } from '../bus/bus.ts'
import { logSubject } from '../bus/subjects.ts'
import { seededRandom, settle } from '#test/support/manual-clock.ts'
import { askCounter, ModelWorld, type ModelHost } from '#test/support/model-host.ts'
import { shardChannel, type ShardEvent } from './events.ts'
import { tellOwnership } from './ownership-messages.ts'
import { openActorClient, type ActorClientProcess } from './client-process.ts'
import { shardOf } from './shards.ts'

const add = (by: number, txnKey?: string) =>
  ({ kind: 'add', body: { by, ...(txnKey !== undefined && { txnKey }) } }) as const
const read = { kind: 'read', body: {} } as const

function gateway(world: ModelWorld): Promise<ActorClientProcess> {
  return openActorClient({
    bus: world.bus,
    clock: world.clock,
    random: seededRandom(99),
    shardCount: world.shardCount,
    owners: async () => world.cluster.states(),
  })
}

/** Moves time until the promise is settled, at most so far. */
async function within<T>(world: ModelWorld, limitMs: number, promise: Promise<T>): Promise<T> {
  let settled = false
  const done = (): void => void (settled = true)
  promise.then(done, done)
  for (let spentMs = 0; spentMs < limitMs && !settled; spentMs += 10) await world.clock.advance(10)
  assert.ok(settled, `not settled within ${limitMs} ms`)
  return promise
}

/** A key in a shard that this host owns. */
function keyAt(world: ModelWorld, { host }: ModelHost): string {
  for (let i = 0; ; i++) if (host.ownedShards.includes(shardOf(`k${i}`, world.shardCount))) return `k${i}`
}

/** As a process that is killed: its session ends, it says nothing more. */
async function kill(world: ModelWorld, { host, cluster }: ModelHost): Promise<void> {
  const record = world.cluster.hosts.get(host.hostId)
  if (record !== undefined) record.connected = false
  cluster.unreachable = true
  await host.stop()
}

async function two(world: ModelWorld): Promise<[ModelHost, ModelHost]> {
  const a = await world.start()
  assert.equal(a.host.ownedShards.length, world.shardCount, 'alone it owns everything at once')
  const b = await world.start()
  await world.clock.advance(3000)
  return [a, b]
}

test('a host that joins gets its share, few shards at a time, and nothing moves afterwards', async () => {
  const world = new ModelWorld(16)
  const [a, b] = await two(world)
  const c = await world.start()
  await world.clock.advance(5000)
  const shares = [a, b, c].map(({ host }) => host.ownedShards.length)
  assert.equal(
    shares.reduce((x, y) => x + y),
    16,
  )
  assert.ok(Math.max(...shares) <= 6 && Math.min(...shares) >= 4, `shares are ${shares.join()}`)
  const epochs = world.cluster.states().map(({ epoch }) => epoch)
  await world.clock.advance(20_000)
  assert.deepEqual(
    world.cluster.states().map(({ epoch }) => epoch),
    epochs,
    'nothing flaps',
  )
})

test('a host with more weight gets more shards, and keeps its part when another one joins', async () => {
  const world = new ModelWorld(16)
  const a = await world.start({ weight: 1 })
  const b = await world.start({ weight: 3 })
  const shares = (): number[] => [a, b].map(({ host }) => host.ownedShards.length)
  await world.clock.advance(5000)
  assert.deepEqual(shares(), [4, 12])
  const c = await world.start({ weight: 4 })
  await world.clock.advance(5000)
  assert.deepEqual([...shares(), c.host.ownedShards.length], [2, 6, 8])
})

test('hosts that are at rest look at the cluster the less often the more they are', async () => {
  const world = new ModelWorld(16)
  const hosts: ModelHost[] = []
  const looksPerSecond = async (): Promise<number> => {
    await world.clock.advance(8000)
    const before = hosts.reduce((sum, { cluster }) => sum + cluster.surveys, 0)
    await world.clock.advance(10_000)
    return (hosts.reduce((sum, { cluster }) => sum + cluster.surveys, 0) - before) / 10
  }
  for (let n = 0; n < 3; n++) hosts.push(await world.start())
  const three = await looksPerSecond()
  for (let n = 0; n < 3; n++) hosts.push(await world.start())
  const six = await looksPerSecond()
  // Sixteen shards are uneven for three and for six; all together look eight times a second.
  for (const looks of [three, six]) assert.ok(looks > 6 && looks < 10, `${looks} looks per second`)
})

test('who finds a host dead tells the others, so that nobody waits for his own look', async () => {
  const world = new ModelWorld(16)
  const hosts: ModelHost[] = []
  for (let n = 0; n < 6; n++) hosts.push(await world.start())
  await world.clock.advance(8000)
  const [first, ...others] = hosts
  assert.ok(first !== undefined)
  await kill(world, first)
  // Each of five looks every 750 ms or so; the first of them after 150 ms on average.
  await world.clock.advance(700)
  const owned = others.reduce((sum, { host }) => sum + host.ownedShards.length, 0)
  assert.equal(owned, 16)
})

test('what a hung host should claim is claimed by another after a second, and stays there until its lease is over', async () => {
  const world = new ModelWorld(16)
  const [a, b, c] = [await world.start(), await world.start(), await world.start()]
  await world.clock.advance(8000)
  b.cluster.unreachable = true
  await kill(world, c)
  const hung = b.host.ownedShards.length
  await world.clock.advance(2000)
  const all = a.host.ownedShards.length
  assert.equal(all, 16 - hung)
  const epochs = world.cluster.states().filter(({ owner }) => owner === a.host.hostId)
  await world.clock.advance(1500)
  assert.deepEqual(
    world.cluster.states().filter(({ owner }) => owner === a.host.hostId),
    epochs,
    'nothing goes to and fro meanwhile',
  )
  await world.clock.advance(3000)
  assert.equal(a.host.ownedShards.length, 16)
  b.cluster.unreachable = false
  await world.clock.advance(15_000)
  assert.deepEqual([a.host.ownedShards.length, b.host.ownedShards.length], [8, 8])
})

test('a host that alone cannot reach the bus hands its shards over, and takes its share back when it has had the bus for a minute', async () => {
  const world = new ModelWorld(16)
  const [a, b] = await two(world)
  const client = await gateway(world)
  const key = keyAt(world, b)
  await within(world, 1000, askCounter(client, key, add(1)))
  b.bus.cut()
  await world.clock.advance(2000)
  assert.equal(b.host.ownedShards.length, 8, 'it may come back at once')
  await world.clock.advance(3500)
  assert.deepEqual([a.host.ownedShards.length, b.host.ownedShards.length], [16, 0])
  assert.deepEqual(await within(world, 1000, askCounter(client, key, add(1))), { sum: 2 })
  await world.clock.advance(20_000)
  b.bus.mend()
  await world.clock.advance(55_000)
  assert.equal(b.host.ownedShards.length, 0, 'the line may be a bad one')
  await world.clock.advance(8000)
  assert.deepEqual([a.host.ownedShards.length, b.host.ownedShards.length], [8, 8])
})

test('a host that was cut off takes shards at once when nobody else can reach the bus', async () => {
  const world = new ModelWorld(16)
  const [a, b] = await two(world)
  b.bus.cut()
  await world.clock.advance(8000)
  b.bus.mend()
  await world.clock.advance(1000)
  assert.equal(a.host.ownedShards.length, 16)
  a.bus.cut()
  await world.clock.advance(8000)
  assert.deepEqual([a.host.ownedShards.length, b.host.ownedShards.length], [0, 16])
})

test('what is asked between the claim and the first moment in which it is served is not lost at the owner before, who is silent', async () => {
  const world = new ModelWorld(16)
  const [a, b] = await two(world)
  const client = await gateway(world)
  const key = keyAt(world, b)
  const gate = Promise.withResolvers<void>()
  a.bus.served = gate.promise
  b.bus.cut()
  const shard = shardOf(key, world.shardCount)
  while (world.cluster.owners.get(shard) !== a.host.hostId) await world.clock.advance(50)
  await client.directory.read()
  const poll = askCounter(client, key, { ...read, options: { timeoutMs: 17_000 } })
  await world.clock.advance(10)
  gate.resolve()
  assert.deepEqual(await within(world, 1000, poll), { sum: 0 })
})

test('a line that comes and goes moves no shard more than once a minute', async () => {
  const world = new ModelWorld(4)
  const [, b] = await two(world)
  const epochs = (): number[] => world.cluster.states().map(({ epoch }) => epoch)
  for (let minute = 0; minute < 8; minute++) {
    const before = epochs()
    for (let times = 0; times < 4; times++) {
      b.bus.cut()
      await world.clock.advance(8000)
      b.bus.mend()
      await world.clock.advance(7000)
    }
    assert.ok(epochs().every((epoch, shard) => epoch - (before[shard] ?? 0) <= 1))
  }
})

test('when the bus is lost to all, nothing moves, also while it comes back to one before the other', async () => {
  const world = new ModelWorld(16)
  const hosts = await two(world)
  const epochs = world.cluster.states().map(({ epoch }) => epoch)
  for (const { bus } of hosts) {
    bus.cut()
    await world.clock.advance(1500)
  }
  await world.clock.advance(20_000)
  for (const { bus } of hosts) {
    bus.mend()
    await world.clock.advance(1500)
  }
  await world.clock.advance(10_000)
  assert.deepEqual(
    world.cluster.states().map(({ epoch }) => epoch),
    epochs,
  )
})

test('who waited while the bus was silent has waited for half of the time after which he is told that it is away', async () => {
  const world = new ModelWorld()
  await world.start()
  const bus = new ModelBus(world.bus)
  const client = await openActorClient({
    bus,
    clock: world.clock,
    random: seededRandom(7),
    shardCount: world.shardCount,
    owners: async () => world.cluster.states(),
  })
  const away = bus.request.bind(bus)
  bus.request = () => {
    bus.request = away
    bus.cut()
    return Promise.reject(new BusError('disconnected', 'the bus is away', { silentMs: 2500 }))
  }
  let outcome: unknown = 'open'
  askCounter(client, 'k', read).then(
    () => (outcome = 'served'),
    (error: unknown) => (outcome = error instanceof MatrixError && error.status),
  )
  await world.clock.advance(1300)
  assert.equal(outcome, 'open', 'a new connection may be made in a moment')
  await world.clock.advance(700)
  assert.equal(outcome, 503)
})

test('a host that cannot reach the bus when it starts takes no shards while others can, and all when there are none', async () => {
  const world = new ModelWorld(8)
  const a = await world.start()
  const b = await world.start({ cutOff: true })
  await world.clock.advance(5000)
  assert.deepEqual([a.host.ownedShards.length, b.host.ownedShards.length], [8, 0])
  await kill(world, a)
  await world.clock.advance(1500)
  assert.equal(b.host.ownedShards.length, 8)
})

test('a host claims nothing before it has connections to commit over, and then its share', async () => {
  const world = new ModelWorld(8)
  const told: unknown[] = []
  const listen = (event: unknown): void => void told.push(event)
  shardChannel.subscribe(listen)
  const a = await world.start({ refused: true })
  await world.clock.advance(3000)
  assert.equal(a.host.ownedShards.length, 0)
  const lacks = told.filter((event) => (event as ShardEvent).what === 'no-connections')
  shardChannel.unsubscribe(listen)
  assert.equal(lacks.length, 1)
  assert.match(String((lacks[0] as ShardEvent).error), /max_connections.*CONNECTION LIMIT/)
  a.connection.refused = false
  await world.clock.advance(1000)
  assert.equal(a.host.ownedShards.length, 8)
})

test('a host that gets no connections to commit over gives its shards back after some seconds', async () => {
  const world = new ModelWorld(16)
  const [a, b] = await two(world)
  const client = await gateway(world)
  const key = keyAt(world, b)
  b.connection.refused = true
  const asked = askCounter(client, key, { ...add(1), options: { timeoutMs: 20_000 } })
  await world.clock.advance(2000)
  assert.equal(b.host.ownedShards.length, 8, 'it may be over soon')
  assert.deepEqual(await within(world, 8000, asked), { sum: 1 })
  assert.deepEqual([a.host.ownedShards.length, b.host.ownedShards.length], [16, 0])
  b.connection.refused = false
  await world.clock.advance(5000)
  assert.deepEqual([a.host.ownedShards.length, b.host.ownedShards.length], [8, 8])
})

test('a host keeps its shards when Postgres is back before it could give them back', async () => {
  for (const awayMs of [2500, 3300, 3400, 3500, 3600, 3700, 3800]) {
    const world = new ModelWorld(16)
    const both = await two(world)
    const [, b] = both
    await world.clock.advance(137)
    const reach = (isReached: boolean): void => {
      for (const { cluster, connection } of both) {
        cluster.unreachable = !isReached
        connection.refused = !isReached
      }
    }
    reach(false)
    // A decision that cannot be committed is what the refusals are noticed by.
    void askCounter(b.host, keyAt(world, b), add(1)).catch(() => {})
    await world.clock.advance(awayMs)
    reach(true)
    await world.clock.advance(5000)
    assert.ok(
      world.cluster.states().every(({ epoch }) => epoch <= 2),
      `after ${awayMs} ms shards have moved`,
    )
  }
})

test('a host that turns out to get no connections while it joins says so at once, and nobody gives up shards for it', async () => {
  const world = new ModelWorld(64)
  await two(world)
  const before = world.cluster.states()
  // A join takes some round trips.
  const c = await world.start({ refused: true, slowJoin: true })
  await world.clock.advance(3000)
  assert.deepEqual(c.host.ownedShards, [])
  assert.deepEqual(world.cluster.states(), before)
})

test('a drain while commits are not answered takes no longer than one shard may', async () => {
  const world = new ModelWorld(16)
  const [, b] = await two(world)
  const never = { until: new Promise<void>(() => {}) }
  world.store.fault(...Array.from({ length: 50 }, () => never))
  const keys = new Map(Array.from({ length: 2000 }, (_, i) => [shardOf(`k${i}`, world.shardCount), `k${i}`]))
  for (const shard of b.host.ownedShards)
    void askCounter(b.host, keys.get(shard) ?? '', add(1)).catch(() => {})
  await world.clock.advance(50)
  await within(world, 3500, b.host.drain())
})

test('a host that is alone keeps its shards while it gets no connections, and goes on when it has them', async () => {
  const world = new ModelWorld(4)
  const { host, connection } = await world.start()
  connection.refused = true
  const asked = askCounter(host, 'x', add(1))
  await assert.rejects(within(world, 4500, asked), { status: 503 })
  await world.clock.advance(8000)
  assert.equal(host.ownedShards.length, 4)
  connection.refused = false
  await world.clock.advance(3000)
  assert.deepEqual(
    await within(world, 1000, askCounter(host, 'x', read)),
    { sum: 1 },
    'what was decided stands',
  )
})

test('a host that hears of another one that has claimed a shard of its own serves it no more, before it looks itself', async () => {
  const world = new ModelWorld(8)
  const [a, b] = await two(world)
  const [shard = 0, other = 0] = a.host.ownedShards
  const epochOf = (of: number): number => world.cluster.states()[of]?.epoch ?? 0
  const shards = [
    { shard, epoch: epochOf(shard) + 1 },
    { shard: other, epoch: epochOf(other) },
  ]
  tellOwnership(b.bus, { kind: 'claimed', shards })
  await settle()
  assert.deepEqual(
    [shard, other].map((each) => a.host.ownedShards.includes(each)),
    [false, true],
  )
})

test('a drain fails no request, and every addition counts once', async () => {
  const world = new ModelWorld(16)
  const [a, b] = await two(world)
  const client = await gateway(world)
  const keys = Array.from({ length: 20 }, (_, i) => `k${i}`)
  const asked: Promise<unknown>[] = []
  let sent = 0
  const send = (): void => {
    for (const key of keys) asked.push(askCounter(client, key, add(1, `t${sent++}`)))
  }
  send()
  await world.clock.advance(10)
  const drained = a.host.drain()
  for (let i = 0; i < 10; i++) {
    send()
    await world.clock.advance(20)
  }
  await within(world, 5000, drained)
  await within(world, 5000, Promise.all(asked))
  assert.equal(b.host.ownedShards.length, 16)
  for (const key of keys)
    assert.deepEqual(await within(world, 1000, askCounter(client, key, read)), { sum: 11 })
})

test('after a crash the others take over, and what was asked is answered', async () => {
  const world = new ModelWorld()
  const [a, b] = await two(world)
  const client = await gateway(world)
  const key = keyAt(world, b)
  await within(world, 1000, askCounter(client, key, add(1)))
  await kill(world, b)
  assert.deepEqual(await within(world, 1000, askCounter(client, key, add(1))), { sum: 2 })
  assert.equal(a.host.ownedShards.length, world.shardCount)
})

test('a long poll at a host that dies is asked again as soon as its shard has a new owner', async () => {
  const world = new ModelWorld()
  const [, b] = await two(world)
  const client = await gateway(world)
  const key = keyAt(world, b)
  const body = { for: 5 }
  const poll = askCounter(client, key, { kind: 'wait', body, options: { timeoutMs: 60_000 } })
  await world.clock.advance(50)
  await kill(world, b)
  await world.clock.advance(1500)
  assert.deepEqual(await within(world, 500, askCounter(client, key, add(5))), { sum: 5 })
  assert.deepEqual(await within(world, 500, poll), { sum: 5 })
})

test('an owner whose lease is uncertain gives nothing out; its callers are answered by whoever owns the shard next', async () => {
  const world = new ModelWorld()
  const [, b] = await two(world)
  const key = keyAt(world, b)
  assert.deepEqual(await within(world, 500, askCounter(b.host, key, add(1))), { sum: 1 })
  const shard = shardOf(key, world.shardCount)
  const epoch = world.store.epochOf(shard)
  b.cluster.mute = true
  await world.clock.advance(4200)
  assert.equal(b.host.isMember, false)
  const asked = askCounter(b.host, key, { ...add(10, 'z'), options: { timeoutMs: 9000 } })
  let answered = false
  void asked.then(() => (answered = true))
  while (world.store.epochOf(shard) === epoch) {
    assert.equal(answered, false)
    await world.clock.advance(10)
  }
  assert.deepEqual(await within(world, 3000, asked), { sum: 11 })
  assert.equal(world.store.log(shard).length, 2, 'repeated by its key, it counts once')
})

test('a zombie that does not know of the claim is fenced, drops the shard, and its caller is answered by the owner', async () => {
  const world = new ModelWorld()
  const [a, b] = await two(world)
  const key = keyAt(world, b)
  await within(world, 500, askCounter(b.host, key, add(1)))
  const shard = shardOf(key, world.shardCount)
  // The other host takes a death hint for granted: a wrong early claim.
  world.cluster.owners.delete(shard)
  const claimed = await a.cluster.claim(a.host.hostId, [{ shard, epoch: world.store.epochOf(shard) }])
  assert.equal(claimed.length, 1)
  assert.ok(b.host.ownedShards.includes(shard), 'it has not noticed yet')
  const asked = askCounter(b.host, key, add(1))
  await settle()
  assert.ok(!b.host.ownedShards.includes(shard))
  assert.deepEqual(await within(world, 6000, asked), { sum: 2 })
  assert.equal(world.store.log(shard).length, 2)
})

test('an owner whom a caller tells of a newer epoch says nothing and drops the shard', async () => {
  const world = new ModelWorld()
  const { host } = await world.start()
  const client = await gateway(world)
  const shard = shardOf('x', world.shardCount)
  client.directory.raise(shard, world.store.epochOf(shard) + 5)
  const asked = askCounter(client, 'x', { ...read, options: { timeoutMs: 3000 } })
  await settle()
  assert.ok(!host.ownedShards.includes(shard))
  const epoch = world.store.epochOf(shard)
  await world.clock.advance(1000)
  assert.ok(world.store.epochOf(shard) > epoch, 'it claims the shard again, under a new epoch')
  await assert.rejects(within(world, 5000, asked), { status: 503 })
})

test('when the database has lost commits the incarnation is raised and everything is loaded again', async () => {
  const world = new ModelWorld()
  const { host } = await world.start()
  assert.deepEqual(await within(world, 500, askCounter(host, 'x', add(1))), { sum: 1 })
  assert.deepEqual(await within(world, 500, askCounter(host, 'x', add(1))), { sum: 2 })
  world.store.loseCommits(shardOf('x', world.shardCount), 1)
  assert.deepEqual(await within(world, 3000, askCounter(host, 'x', add(1))), { sum: 2 })
  assert.equal(world.cluster.incarnation, 2)
  assert.equal(host.ownedShards.length, world.shardCount)
})

test('heads are announced on change, at most twenty times a second for a shard, the last one always', async () => {
  const world = new ModelWorld(1)
  const heard: unknown[] = []
  await world.bus.subscribe(logSubject(0), ({ head }) => void heard.push(head))
  const { host } = await world.start()
  await world.clock.advance(100)
  for (let i = 0; i < 30; i++) {
    void askCounter(host, 'x', add(1))
    await world.clock.advance(1)
  }
  await world.clock.advance(100)
  assert.ok(heard.length <= 4, `${heard.length} announcements`)
  assert.deepEqual(heard.at(-1), { epoch: world.store.epochOf(0), head: 30 })
})

test('a reply with a body crosses the bus as it is', async () => {
  const world = new ModelWorld()
  await world.start()
  const client = await gateway(world)
  const reply = await within(world, 100, askCounter(client, 'x', { kind: 'large', body: { length: 1000 } }))
  assert.deepEqual(reply, { head: { length: 1000 }, body: 'x'.repeat(1000) })
})

test('a process that is alone on its database does not wait for one that was killed a moment ago', async () => {
  const world = new ModelWorld()
  const killed = await world.start()
  // Its session may seem to live, as after a restart of the database.
  await killed.host.stop()
  const next = await world.start()
  assert.equal(next.host.ownedShards.length, 0)
  await next.host.stop()
  const sole = await world.start({ sole: true })
  assert.equal(sole.host.ownedShards.length, world.shardCount)
})

test('a shard whose release did not reach the database is served again, also when nobody wants it any more', async () => {
  const world = new ModelWorld(8)
  const a = await world.start()
  a.cluster.failingReleases = Number.POSITIVE_INFINITY
  const b = await world.start()
  await world.clock.advance(1000)
  await kill(world, b)
  a.cluster.failingReleases = 0
  await world.clock.advance(10_000)
  assert.deepEqual(a.host.ownedShards, [0, 1, 2, 3, 4, 5, 6, 7])
})

test('a host that learns that its lease has expired comes back as a new host at once', async () => {
  const world = new ModelWorld(8)
  const { host } = await world.start()
  const before = host.hostId
  const record = world.cluster.hosts.get(before)
  assert.ok(record)
  record.expiresAtMs = 0
  await world.clock.advance(1500)
  assert.notEqual(host.hostId, before)
  assert.equal(host.ownedShards.length, 8)
})

test('a host whose lease is over serves nothing, before it knows whether it can come back', async () => {
  const world = new ModelWorld(8)
  const a = await world.start()
  a.cluster.unreachable = true
  await world.clock.advance(5100)
  assert.deepEqual(a.host.ownedShards, [])
})

test('a host whose session is ended is alive for the others again at once, so that nobody takes its shards', async () => {
  const world = new ModelWorld(8)
  const [a, b] = await two(world)
  const before = world.cluster.states()
  for (const { host, cluster } of [a, b]) {
    cluster.endSession(host.hostId)
    await world.clock.advance(1)
    assert.ok(world.cluster.isAlive(host.hostId))
  }
  await world.clock.advance(5000)
  assert.deepEqual(world.cluster.states(), before)
})
