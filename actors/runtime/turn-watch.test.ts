import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { test } from 'node:test'

import { settle } from '#test/support/manual-clock.ts'
import { askCounter, ModelWorld } from '#test/support/model-host.ts'
import type { ActorContext } from './contract.ts'
import type { ActivationEvent } from './events.ts'
import { Discarded } from './failures.ts'

function activationEvents(): Disposable & { readonly seen: ActivationEvent[] } {
  const seen: ActivationEvent[] = []
  const listener = (message: unknown): void => void seen.push(message as ActivationEvent)
  subscribe('troupe:activation', listener)
  return { seen, [Symbol.dispose]: () => void unsubscribe('troupe:activation', listener) }
}

const patient = { timeoutMs: 200_000 }
const slow = { kind: 'slow', body: { secret: 'nobody may read this' }, options: patient } as const
const read = { kind: 'read', body: {}, options: patient } as const

test('a turn that does not end is told once, by its kind alone', async () => {
  using events = activationEvents()
  const stuck = () => events.seen.filter(({ what }) => what === 'stuck')
  const world = new ModelWorld()
  const gate = Promise.withResolvers<void>()
  const { host } = await world.start({ gate: () => gate.promise })
  const asked = askCounter(host, 'a', slow)
  await world.clock.advance(9500)
  assert.deepEqual(stuck(), [])
  await world.clock.advance(1500)
  assert.deepEqual(stuck(), [{ kind: 'room', key: 'a', what: 'stuck', request: 'slow' }])
  await world.clock.advance(30_000)
  assert.equal(stuck().length, 1)
  gate.resolve()
  assert.deepEqual(await asked, { sum: 0 })
  await world.clock.advance(60_000)
  assert.equal(
    events.seen.filter(({ what }) => what === 'discarded').length,
    0,
    'a turn that ends late is as good',
  )
})

test('a turn that waits its time but ends is not told', async () => {
  using events = activationEvents()
  const world = new ModelWorld()
  const gates: PromiseWithResolvers<void>[] = []
  const gate = (): Promise<void> => {
    const made = Promise.withResolvers<void>()
    gates.push(made)
    return made.promise
  }
  const { host } = await world.start({ gate })
  for (let turn = 0; turn < 4; turn++) {
    const asked = askCounter(host, 'a', slow)
    await world.clock.advance(5000)
    gates[turn]?.resolve()
    await asked
  }
  assert.equal(events.seen.filter(({ what }) => what === 'stuck').length, 0)
})

test('after a minute the activation is discarded, those who wait are served by the next one, and nothing of the turn is committed', async () => {
  using events = activationEvents()
  const world = new ModelWorld()
  const gate = Promise.withResolvers<void>()
  const contexts: ActorContext[] = []
  const late = Promise.withResolvers<unknown>()
  const { host } = await world.start({
    load: (context) => {
      contexts.push(context)
      return world.load(context)
    },
    gate: async () => {
      await gate.promise
      const [context] = contexts
      try {
        const writes = context?.writes()
        writes?.append({ kind: 'accountData', body: JSON.stringify({ key: 'a', by: 1000 }) })
        if (writes !== undefined) await context?.decide({ writes, entries: [undefined] })
        late.resolve('decided')
      } catch (error) {
        late.resolve(error)
        throw error
      }
    },
  })
  assert.deepEqual(await askCounter(host, 'a', { kind: 'add', body: { by: 7 } }), { sum: 7 })
  const stuck = askCounter(host, 'a', slow).catch((error: unknown) => error)
  const waiting = askCounter(host, 'a', read)
  await world.clock.advance(59_000)
  assert.equal(contexts.length, 1)
  await world.clock.advance(3000)
  assert.deepEqual(await stuck.then((error) => Reflect.get(Object(error), 'errcode')), 'M_UNKNOWN')
  assert.deepEqual(await waiting, { sum: 7 })
  assert.equal(contexts.length, 2)
  assert.equal(events.seen.filter(({ what, key }) => what === 'discarded' && key === 'a').length, 1)
  gate.resolve()
  assert.ok((await late.promise) instanceof Discarded)
  await settle()
  assert.deepEqual(await askCounter(host, 'a', read), { sum: 7 })
  assert.deepEqual(await askCounter(host, 'a', { kind: 'add', body: { by: 1 } }), { sum: 8 })
})

test('a pause of the whole process is not held against its turns', async () => {
  using events = activationEvents()
  const world = new ModelWorld()
  const gate = Promise.withResolvers<void>()
  const { host } = await world.start({ gate: () => gate.promise, sole: true })
  const asked = askCounter(host, 'a', slow).catch(() => undefined)
  await settle()
  world.clock.pause(120_000)
  await world.clock.advance(2000)
  assert.equal(events.seen.filter(({ what }) => what === 'stuck').length, 0)
  gate.resolve()
  await world.clock.advance(100_000)
  await asked
})
