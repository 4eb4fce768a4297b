/** What must hold when calls hang, answers are lost, and news arrives at a bad moment. */

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { MatrixError } from '#protocol/errors.ts'
import { BusError } from '../bus/bus.ts'
import type { MemoryBus } from '../bus/memory.ts'
import { actorSubject } from '../bus/subjects.ts'
import { ShardWrites } from '#storage/shard-writes.ts'
import { ManualClock, seededRandom, settle } from '#test/support/manual-clock.ts'
import { askCounter, ModelWorld } from '#test/support/model-host.ts'
import { ModelError, ModelStore } from '#test/support/model-store.ts'
import { openActorClient } from './client-process.ts'
import { delay } from './clock.ts'
import { Committer } from './committer.ts'
import { Directory } from './directory.ts'
import { Lane } from './lane.ts'
import { shardOf } from './shards.ts'

const add = (by: number) => ({ kind: 'add', body: { by } }) as const
const read = { kind: 'read', body: {} } as const

test('whoever watches a shard anew while he is told of an epoch is told of the next one only', () => {
  const directory = new Directory({ shardCount: 4, clock: new ManualClock(), source: async () => [] })
  let told = 0
  const watch = (): void => {
    const unwatch = directory.watch(1, () => {
      unwatch()
      assert.ok(++told < 10, 'the watcher is called again and again')
      watch()
    })
  }
  watch()
  directory.raise(1, 5)
  assert.equal(told, 1)
  directory.raise(1, 6)
  assert.equal(told, 2)
})

test('news that replies of an owner may be lost is told once for each connection, and of its shards alone', () => {
  const directory = new Directory({ shardCount: 4, clock: new ManualClock(), source: async () => [] })
  const told: string[] = []
  for (const shard of [1, 2]) directory.watch(shard, (news) => told.push(`${shard} ${news}`))
  directory.reconnected([1, 3], 77)
  directory.reconnected([1, 3], 77)
  assert.deepEqual(told, ['1 replies lost'])
  directory.reconnected([1], 78)
  assert.equal(told.length, 2)
})

test('a call that is never answered is given up and sent again, and counts once', async () => {
  const clock = new ManualClock()
  const store = new ModelStore()
  const committer = new Committer({
    store,
    clock,
    random: seededRandom(3),
    onCommitted: () => {},
    onLost: () => assert.fail('the lane was lost'),
    onBehind: () => assert.fail('nothing is behind'),
  })
  const lane = new Lane(1, store.claim(1), 0)
  const writes = new ShardWrites(1)
  writes.append({ kind: 'accountData', body: 'only' })
  const { promise, resolve } = Promise.withResolvers<unknown>()
  store.fault({ until: new Promise(() => {}) })
  committer.submit({ lane, actor: {}, writes, entries: [undefined], settle: resolve })
  await clock.advance(15_000)
  assert.equal(store.calls.length, 2)
  assert.equal(await promise, undefined)
  assert.equal(store.headOf(1), 1)
})

test('who waits for a commit that is not answered is told so after four seconds, and what he asked for counts once', async () => {
  const world = new ModelWorld()
  const { host } = await world.start()
  const gate = Promise.withResolvers<void>()
  const read = { kind: 'read', body: {} } as const
  const again = { kind: 'add', body: { by: 2, txnKey: 't' } } as const
  world.store.fault({ until: gate.promise })
  const asked = [askCounter(host, 'a', again), askCounter(host, 'a', read)].map((each) =>
    each.catch(statusOf),
  )
  await world.clock.advance(3900)
  assert.equal(await Promise.race([...asked, Promise.resolve('open')]), 'open')
  await world.clock.advance(200)
  assert.deepEqual(await Promise.all(asked), [503, 503])
  // From then on at once, and again when it is repeated; who waits for nothing is answered.
  assert.deepEqual(
    await Promise.all([again, read].map((each) => askCounter(host, 'a', each).catch(statusOf))),
    [503, 503],
  )
  assert.deepEqual(await askCounter(host, 'b', read), { sum: 0 })
  gate.resolve()
  await settle()
  assert.deepEqual(await askCounter(host, 'a', again), { sum: 2 })
  assert.deepEqual(await askCounter(host, 'a', read), { sum: 2 })
})

test('who waits for the successor of an actor whose commits are not answered is told so, too', async () => {
  const world = new ModelWorld(1)
  const { host } = await world.start()
  assert.deepEqual(await askCounter(host, 'x', add(1)), { sum: 1 })
  world.store.fault({ until: new Promise(() => {}) })
  void askCounter(host, 'x', { kind: 'crash', body: { add: 1 } }).catch(() => {})
  await world.clock.advance(100)
  const options = { timeoutMs: 9500 }
  const asked = askCounter(host, 'x', { ...read, options }).catch(statusOf)
  await world.clock.advance(4500)
  assert.equal(await Promise.race([asked, Promise.resolve('open')]), 503)
})

test('the news that commits were lost is not lost with the first attempt to act on it', async () => {
  const world = new ModelWorld()
  const { host, cluster } = await world.start()
  const key = 'k'
  const shard = shardOf(key, world.shardCount)
  await askCounter(host, key, add(1))
  await askCounter(host, key, add(1))
  world.store.loseCommits(shard, 1)
  cluster.unreachable = true
  const asked = askCounter(host, key, add(1))
  await world.clock.advance(600)
  assert.equal(world.cluster.incarnation, 1)
  assert.deepEqual(host.ownedShards, [], 'nothing is served before the incarnation has been raised')
  cluster.unreachable = false
  await world.clock.advance(1000)
  assert.equal(world.cluster.incarnation, 2)
  assert.deepEqual(await asked, { sum: 2 })
  await host.stop()
})

test('news of a newer epoch that reaches what served the shard before does not end what serves it now', async () => {
  const world = new ModelWorld(1)
  const handlers: Parameters<MemoryBus['serve']>[1][] = []
  const serve = world.bus.serve.bind(world.bus)
  world.bus.serve = (subject, handler) => {
    if (subject === actorSubject('room', 0)) handlers.push(handler)
    return serve(subject, handler)
  }
  const { host } = await world.start()
  await askCounter(host, 'k', add(1))
  const epoch = world.store.claim(0)
  await world.clock.advance(2500)
  assert.deepEqual(host.ownedShards, [0], 'it has dropped the shard and claimed it again')
  assert.ok(world.store.epochOf(0) > epoch)
  const head = { key: 'k', ...read, epoch: world.store.epochOf(0), timeoutMs: 1000, traceId: '' }
  assert.equal(await handlers[0]?.({ head }, { signal: new AbortController().signal }), undefined)
  await settle()
  assert.deepEqual(host.ownedShards, [0])
  await host.stop()
})

test('a host that leaves is not made to join again by a renewal that comes too late', async () => {
  const world = new ModelWorld()
  const { host, cluster } = await world.start()
  const leave = cluster.leave.bind(cluster)
  cluster.leave = async (hostId) => {
    await leave(hostId)
    await delay(world.clock, 2500)
  }
  const drained = host.drain()
  await world.clock.advance(6000)
  await drained
  assert.deepEqual([...world.cluster.hosts.keys()], [])
})

/** A process without actors, which only asks. */
function clientOf(world: ModelWorld): ReturnType<typeof openActorClient> {
  return openActorClient({
    bus: world.bus,
    clock: world.clock,
    random: seededRandom(7),
    shardCount: world.shardCount,
    owners: async () => world.cluster.states(),
  })
}

test('who has no connection to the bus for three seconds is told so, and who has one again before is served', async () => {
  const world = new ModelWorld()
  const { host } = await world.start()
  const client = await clientOf(world)
  const request = world.bus.request.bind(world.bus)
  const away = (): Promise<never> => Promise.reject(new BusError('disconnected', 'the bus is away'))
  for (const [awayMs, expected] of [
    [2000, 'served'],
    [60_000, 'refused'],
  ] as const) {
    world.bus.request = away
    let outcome = 'open'
    askCounter(client, 'k', read).then(
      () => (outcome = 'served'),
      (error: unknown) =>
        (outcome = error instanceof MatrixError && error.status === 503 ? 'refused' : String(error)),
    )
    await world.clock.advance(Math.min(awayMs, 2800))
    assert.equal(outcome, 'open')
    if (awayMs < 2800) world.bus.request = request
    await world.clock.advance(800)
    assert.equal(outcome, expected)
  }
  world.bus.request = request
  await client[Symbol.asyncDispose]()
  await host.stop()
})

test('who has lost the bus twice while he waits is told within five seconds all the same', async () => {
  const world = new ModelWorld()
  await world.start()
  const client = await clientOf(world)
  let lose = (): void => {}
  const away = (): Promise<never> => Promise.reject(new BusError('disconnected', 'the bus is away'))
  world.bus.request = away
  let outcome = 'open'
  askCounter(client, 'k', read).catch((error: unknown) => {
    outcome = error instanceof MatrixError ? String(error.status) : String(error)
  })
  await world.clock.advance(1000)
  // It is back, is asked, and stands still until it is given up.
  world.bus.request = () =>
    new Promise((_resolve, reject) => {
      lose = () => reject(new BusError('disconnected', 'the connection was lost', { silentMs: 2600 }))
    })
  await world.clock.advance(2800)
  world.bus.request = away
  lose()
  await world.clock.advance(500)
  assert.equal(outcome, 'open')
  await world.clock.advance(500)
  assert.equal(outcome, '503')
  await client[Symbol.asyncDispose]()
})

test('a long poll that has lost its connection long ago waits on when it loses another one', async () => {
  const world = new ModelWorld()
  await world.start()
  const client = await clientOf(world)
  let lose = (): void => {}
  world.bus.request = () =>
    new Promise((_resolve, reject) => {
      lose = () => reject(new BusError('disconnected', 'the connection was lost', { silentMs: 100 }))
    })
  let outcome = 'open'
  const options = { timeoutMs: 30_000 }
  askCounter(client, 'k', { ...read, options }).catch((error: unknown) => (outcome = String(error)))
  for (const afterMs of [1000, 20_000]) {
    await world.clock.advance(afterMs)
    lose()
    await world.clock.advance(500)
    assert.equal(outcome, 'open')
  }
  await client[Symbol.asyncDispose]()
})

test('without the database whoever asks is refused when the leases are over, and served again when it is back', async () => {
  const world = new ModelWorld()
  const { host, cluster } = await world.start()
  await askCounter(host, 'k', add(1))
  cluster.unreachable = true
  const commit = world.store.commit.bind(world.store)
  world.store.commit = () => Promise.reject(new ModelError('weather', 'connection refused'))
  const outcomes: string[] = []
  const ask = (): void =>
    void askCounter(host, 'k', add(1)).then(
      () => outcomes.push('served'),
      (error: unknown) => outcomes.push(error instanceof MatrixError ? String(error.status) : String(error)),
    )
  ask()
  await world.clock.advance(2000)
  assert.deepEqual(outcomes, [])
  await world.clock.advance(3500)
  assert.deepEqual(outcomes, ['503'])
  ask()
  await world.clock.advance(100)
  assert.deepEqual(outcomes, ['503', '503'])
  cluster.unreachable = false
  world.store.commit = commit
  await world.clock.advance(3000)
  ask()
  await world.clock.advance(1000)
  assert.deepEqual(outcomes, ['503', '503', 'served'])
  await host.stop()
})

test('requests beside turns are bounded as those that wait are', async () => {
  const world = new ModelWorld()
  const { host } = await world.start({ mailboxLimit: 3 })
  await askCounter(host, 'k', add(1))
  const wait = { kind: 'wait', body: { for: 2 } } as const
  const waits = [1, 2, 3].map(() => askCounter(host, 'k', wait))
  await assert.rejects(askCounter(host, 'k', wait), { errcode: 'M_LIMIT_EXCEEDED' })
  await askCounter(host, 'k', add(1))
  assert.deepEqual(await Promise.all(waits), [{ sum: 2 }, { sum: 2 }, { sum: 2 }])
  await host.stop()
})

test('an actor whose rows could not be read in time is loaded again, and nobody is to blame', async () => {
  const world = new ModelWorld()
  let slow = 5
  const { host } = await world.start({
    load: (context) =>
      slow-- > 0
        ? Promise.reject(
            Object.assign(new Error('canceling statement due to statement timeout'), { code: '57014' }),
          )
        : world.load(context),
  })
  const asked = askCounter(host, 'k', add(1))
  await world.clock.advance(2000)
  assert.deepEqual(await asked, { sum: 1 })
  await host.stop()
})

test('what fails because the database has gone back kills no actor: it is asked again, or refused for the moment', async () => {
  const world = new ModelWorld()
  let failing = true
  const { host, cluster } = await world.start({
    onHandle: (kind) => {
      if (kind === 'read' && failing) throw new TypeError('a row that is gone')
    },
    load: (context) =>
      context.key === 'unloadable' && failing
        ? Promise.reject(new Error('a node that is gone'))
        : world.load(context),
  })
  const shard = shardOf('k', world.shardCount)
  await askCounter(host, 'k', add(1))
  await askCounter(host, 'k', add(1))
  world.store.loseCommits(shard, 1)
  const ask = async (key: string): Promise<unknown> => {
    const asked = askCounter(host, key, { ...read, options: { timeoutMs: 400 } }).then(
      () => 'served',
      (error: unknown) => error instanceof MatrixError && error.status,
    )
    await world.clock.advance(600)
    return asked
  }
  // Nobody has noticed; every attempt fails, many times.
  assert.deepEqual([await ask('k'), await ask('unloadable')], [503, 503])
  // It cannot be found out.
  world.store.claim(shard)
  cluster.unreachable = true
  assert.deepEqual([await ask('k'), await ask('unloadable')], [503, 503])
  cluster.unreachable = false
  await cluster.raiseIncarnation()
  failing = false
  assert.deepEqual([await ask('k'), await ask('unloadable')], ['served', 'served'])
  await host.stop()
})

test('a decision that is refused for its content while the database has gone back is nobody’s fault', async () => {
  const world = new ModelWorld()
  const { host } = await world.start()
  const [first = '', second = ''] = keysOfDifferentShards(world.shardCount)
  await askCounter(host, first, add(1))
  const poison = { kind: 'add', body: { by: 1, body: 'poison' }, options: { timeoutMs: 400 } } as const
  world.store.poisoned = (row) => row.body?.includes('poison') ?? false
  world.store.loseCommits(shardOf(first, world.shardCount), 1)
  const statuses: unknown[] = []
  for (let n = 0; n < 2; n++) {
    const asked = askCounter(host, second, poison).catch((error: unknown) => statuses.push(statusOf(error)))
    await world.clock.advance(600)
    await asked
  }
  world.store.poisoned = () => false
  await world.clock.advance(3000)
  const served = askCounter(host, second, poison)
  await world.clock.advance(600)
  assert.deepEqual([statuses, await served], [[503, 503], { sum: 1 }])
  await host.stop()
})

function statusOf(error: unknown): unknown {
  return error instanceof MatrixError ? error.status : error
}

/** Two keys of counters that are not in one shard. */
function keysOfDifferentShards(shardCount: number): string[] {
  const keys = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
  const other = keys.find((key) => shardOf(key, shardCount) !== shardOf('a', shardCount))
  return other === undefined ? [] : ['a', other]
}
