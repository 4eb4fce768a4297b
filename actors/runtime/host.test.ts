import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { test } from 'node:test'

import { MatrixError } from '#protocol/errors.ts'
import { settle } from '#test/support/manual-clock.ts'
import { askCounter, ModelWorld } from '#test/support/model-host.ts'
import type { ActivationEvent } from './events.ts'

/** What has become of a promise so far. */
function watch<T>(promise: Promise<T>): { value?: T; error?: unknown } {
  const seen: { value?: T; error?: unknown } = {}
  promise.then(
    (value) => void (seen.value = value),
    (error: unknown) => void (seen.error = error),
  )
  return seen
}

function isError(error: unknown, errcode: string, status?: number): boolean {
  return (
    error instanceof MatrixError &&
    error.errcode === errcode &&
    (status === undefined || error.status === status)
  )
}

function activationEvents(): Disposable & { readonly seen: string[] } {
  const seen: string[] = []
  const listener = (message: unknown): void => {
    const { key, what } = message as ActivationEvent
    seen.push(`${key} ${what}`)
  }
  subscribe('troupe:activation', listener)
  return { seen, [Symbol.dispose]: () => void unsubscribe('troupe:activation', listener) }
}

const add = (by: number, more: { txnKey?: string; body?: string } = {}) =>
  ({ kind: 'add', body: { by, ...more } }) as const
const read = { kind: 'read', body: {} } as const

test('results, reads and refusals leave an actor only when what they rest on is durable', async () => {
  const world = new ModelWorld()
  const { host } = await world.start()
  const gate = Promise.withResolvers<void>()
  world.store.fault({ until: gate.promise })
  const sum = watch(askCounter(host, 'a', add(2)))
  await settle()
  const seen = [
    watch(askCounter(host, 'a', read)),
    watch(askCounter(host, 'a', { kind: 'refuse', body: {} })),
  ]
  const other = watch(askCounter(host, 'b', read))
  await settle()
  assert.deepEqual([sum, ...seen], [{}, {}, {}])
  assert.deepEqual(other, { value: { sum: 0 } }, 'another actor is not held up')
  gate.resolve()
  await settle()
  assert.deepEqual(sum.value, { sum: 2 })
  assert.deepEqual(seen[0]?.value, { sum: 2 })
  assert.ok(isError(seen[1]?.error, 'M_FORBIDDEN'))
})

test('an actor that throws is discarded, its caller gets a clean error, and the next message reloads what was committed', async () => {
  using events = activationEvents()
  const world = new ModelWorld()
  const { host } = await world.start()
  const crash = watch(askCounter(host, 'a', { kind: 'crash', body: { add: 5 } }))
  const next = watch(askCounter(host, 'a', read))
  await settle()
  assert.ok(isError(crash.error, 'M_UNKNOWN', 500))
  assert.deepEqual(next.value ?? (await askAfter(world, host)), { sum: 5 })
  assert.ok(events.seen.includes('a discarded'))
})

async function askAfter(world: ModelWorld, host: Parameters<typeof askCounter>[0]): Promise<unknown> {
  const asked = watch(askCounter(host, 'a', read))
  await world.clock.advance(100)
  return asked.value
}

test('a request that kills its actor three times is parked; others go on', async () => {
  const world = new ModelWorld()
  const handled: string[] = []
  const { host } = await world.start({ onHandle: (kind) => void handled.push(kind) })
  for (let i = 0; i < 5; i++)
    await assert.rejects(askCounter(host, 'a', { kind: 'crash', body: {} }), { errcode: 'M_UNKNOWN' })
  assert.deepEqual(handled, ['crash', 'crash', 'crash'])
  assert.deepEqual(await askCounter(host, 'a', read), { sum: 0 })
  await assert.rejects(askCounter(host, 'b', { kind: 'crash', body: {} }), { errcode: 'M_UNKNOWN' })
  assert.equal(handled.at(-1), 'crash', 'the same request to another actor is another request')
})

test('a decision that the database refuses fails its request and repeats the others', async () => {
  const world = new ModelWorld()
  world.store.poisoned = (row) => row.body?.includes('poison') ?? false
  const { host } = await world.start()
  const asked = [
    watch(askCounter(host, 'a', add(1))),
    watch(askCounter(host, 'a', add(10, { body: 'poison' }))),
    watch(askCounter(host, 'a', add(100))),
  ]
  await world.clock.advance(500)
  assert.deepEqual(asked[0]?.value, { sum: 1 })
  assert.ok(isError(asked[1]?.error, 'M_UNKNOWN', 500))
  assert.deepEqual(asked[2]?.value, { sum: 101 })
})

test('a transaction that another activation committed is found after a reload', async () => {
  const world = new ModelWorld()
  let blind = true
  const { host } = await world.start({
    load: async (context) => {
      const state = await world.load(context)
      return blind ? { ...state, txnKeys: [] } : state
    },
  })
  assert.deepEqual(await askCounter(host, 'a', add(1, { txnKey: 'k' })), { sum: 1 })
  // Forget: as an actor whose window of known keys is too small.
  await assert.rejects(askCounter(host, 'a', { kind: 'crash', body: {} }))
  const again = watch(askCounter(host, 'a', add(1, { txnKey: 'k' })))
  await settle()
  blind = false
  await world.clock.advance(500)
  assert.deepEqual(again.value, { sum: 1 })
})

test('a full mailbox refuses with a delay, and other actors are not affected', async () => {
  const world = new ModelWorld()
  const gate = Promise.withResolvers<void>()
  const { host } = await world.start({ mailboxLimit: 2, gate: () => gate.promise })
  const slow = watch(askCounter(host, 'a', { kind: 'slow', body: {} }))
  await settle()
  const waiting = [watch(askCounter(host, 'a', add(1))), watch(askCounter(host, 'a', add(1)))]
  await assert.rejects(askCounter(host, 'a', read), {
    errcode: 'M_LIMIT_EXCEEDED',
    extra: { retry_after_ms: 1000 },
  })
  assert.deepEqual(await askCounter(host, 'b', read), { sum: 0 })
  gate.resolve()
  await settle()
  assert.deepEqual(slow.value, { sum: 0 })
  assert.deepEqual(
    waiting.map((one) => one.value),
    [{ sum: 1 }, { sum: 2 }],
  )
})

test('a long poll runs beside turns and is woken by a commit', async () => {
  const world = new ModelWorld()
  const { host } = await world.start()
  const poll = watch(askCounter(host, 'a', { kind: 'wait', body: { for: 3 } }))
  await settle()
  await askCounter(host, 'a', add(2))
  await settle()
  assert.deepEqual(poll, {})
  await askCounter(host, 'a', add(2))
  await settle()
  assert.deepEqual(poll.value, { sum: 4 })
})

test('an idle actor is put to sleep with its last writes, one that minds is not', async () => {
  using events = activationEvents()
  const world = new ModelWorld()
  const { host } = await world.start({
    idleMs: 5000,
    mayPassivate: () => mind !== true,
    passivate: (counter) => void counter.add(1, {}),
  })
  let mind = true
  assert.deepEqual(await askCounter(host, 'a', read), { sum: 0 })
  await world.clock.advance(10_000)
  assert.equal(host.activations().length, 1)
  mind = false
  await world.clock.advance(2000)
  assert.equal(host.activations().length, 0)
  assert.deepEqual(events.seen, ['a loading', 'a active', 'a draining', 'a gone'])
  assert.deepEqual(await askCounter(host, 'a', read), { sum: 1 })
})

test('no more activations are kept than the budget allows; the ones used longest ago go first', async () => {
  const world = new ModelWorld()
  const { host } = await world.start({ maxActivations: 3 })
  for (const key of ['a', 'b', 'c', 'd', 'e']) {
    await askCounter(host, key, read)
    await world.clock.advance(10)
  }
  await askCounter(host, 'a', read)
  await world.clock.advance(1000)
  assert.deepEqual(
    host
      .activations()
      .map((one) => one.key)
      .toSorted(),
    ['a', 'd', 'e'],
  )
})

test('nobody answers in time: 503 with a delay', async () => {
  const world = new ModelWorld()
  const { host } = await world.start({ gate: () => new Promise(() => {}) })
  const slow = watch(askCounter(host, 'a', { kind: 'slow', body: {}, options: { timeoutMs: 400 } }))
  await world.clock.advance(300)
  assert.deepEqual(slow, {})
  await world.clock.advance(200)
  assert.ok(isError(slow.error, 'M_UNKNOWN', 503))
})

test('a caller that goes away is told so by its own signal, and the actor sees it', async () => {
  const world = new ModelWorld()
  let seen: AbortSignal | undefined
  const { host } = await world.start({ onHandle: (_kind, caller) => void (seen = caller.signal) })
  const abort = new AbortController()
  const options = { signal: abort.signal }
  const poll = watch(askCounter(host, 'a', { kind: 'wait', body: { for: 9 }, options }))
  await settle()
  assert.equal(seen?.aborted, false)
  abort.abort(new Error('gone'))
  await settle()
  assert.match(String(poll.error), /gone/)
  assert.equal(seen?.aborted, true)
})

test('a read from memory is not given out when the lease is uncertain', async () => {
  const world = new ModelWorld()
  const { host, cluster } = await world.start()
  assert.deepEqual(await askCounter(host, 'a', read), { sum: 0 })
  cluster.mute = true
  await world.clock.advance(3900)
  assert.equal(host.isMember, true)
  await world.clock.advance(900)
  assert.equal(host.isMember, false)
  const asked = watch(askCounter(host, 'a', { ...read, options: { timeoutMs: 2000 } }))
  await settle()
  assert.deepEqual(asked, {})
  cluster.mute = false
  await world.clock.advance(1000)
  assert.deepEqual(asked.value, { sum: 0 }, 'the process has come back as a new host and answers')
})

test('followers are told of commits without a gap, and of a shard that is lost', async () => {
  const world = new ModelWorld(1)
  const { host } = await world.start()
  const told: string[] = []
  let head = 0
  host.feedHooks.onCommitted(({ shard, prev, to }) => {
    assert.equal(prev, head)
    head = to
    told.push(`${shard} to ${to}`)
  })
  host.feedHooks.onShard(({ what, shard, head: at }) => void told.push(`${what} ${shard} at ${at}`))
  await Promise.all([askCounter(host, 'a', add(1)), askCounter(host, 'b', add(1))])
  await askCounter(host, 'a', add(1))
  await host.drain()
  assert.equal(head, 3)
  assert.equal(told.at(-1), 'lost 0 at 3')
})

test('a listener that throws disturbs nobody', async () => {
  const world = new ModelWorld(1)
  const { host } = await world.start()
  host.feedHooks.onCommitted(() => {
    throw new Error('a bug in a listener')
  })
  assert.deepEqual(await askCounter(host, 'a', add(1)), { sum: 1 })
  assert.deepEqual(await askCounter(host, 'a', add(1)), { sum: 2 })
})
