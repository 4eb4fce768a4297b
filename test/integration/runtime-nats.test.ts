/** Asking over a real nats-server: what crosses the wire, and a move from one host to another. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { MatrixError } from '#protocol/errors.ts'
import type { Bus } from '#actors/bus/bus.ts'
import { connectNatsBus } from '#actors/bus/nats.ts'
import { startActorClient } from '#actors/runtime/client-process.ts'
import { systemClock as clock, systemRandom as random } from '#actors/runtime/clock.ts'
import { txnKey } from '#storage/txn-key.ts'
import { askCounter } from '#test/support/model-host.ts'
import { natsServer } from '#test/support/nats.ts'
import { RealWorld } from '#test/support/real-host.ts'

test('a gateway asks over NATS: results, errors with their fields, large bodies, and through a drain', async () => {
  await using nats = await natsServer()
  await using stack = new AsyncDisposableStack()
  const connect = async (name: string): Promise<Bus> =>
    stack.use(await connectNatsBus({ url: nats.url, name, clock, random }))
  const world = stack.use(await RealWorld.open(8))
  const first = await world.start({ bus: await connect('first'), mailboxLimit: 0 })
  const { database, shardCount } = world
  const client = stack.use(
    await startActorClient({ database, bus: await connect('gateway'), clock, random, shardCount }),
  )
  let asks = 0
  const add = (by: number) => {
    const txn = txnKey({ roomId: '!x', userId: '@x:test', deviceId: 'X' }, String(asks++))
    return askCounter(client, 'x', { kind: 'add', body: { by, txnKey: txn } })
  }

  // While the actor is being loaded its requests would have to wait, and this mailbox holds none.
  const error: unknown = await add(0).catch((thrown: unknown) => thrown)
  assert.ok(error instanceof MatrixError)
  assert.equal(error.errcode, 'M_LIMIT_EXCEEDED')
  assert.deepEqual(error.extra, { retry_after_ms: 1000 })

  let sum: { sum: number } | undefined
  const endMs = performance.now() + 5000
  while (sum === undefined && performance.now() < endMs) sum = await add(1).catch(() => undefined)
  assert.deepEqual(sum, { sum: 1 })
  const large = await askCounter(client, 'x', { kind: 'large', body: { length: 3_000_000 } })
  assert.equal(large.body.length, 3_000_000)
  assert.deepEqual(large.head, { length: 3_000_000 })

  const second = await world.start({ bus: await connect('second') })
  const asked = Array.from({ length: 50 }, () => add(1))
  await first.host.drain()
  asked.push(...Array.from({ length: 50 }, () => add(1)))
  await Promise.all(asked)
  assert.deepEqual(await askCounter(client, 'x', { kind: 'read', body: {} }), { sum: 101 })
  // Drained shards are claimed a few at a time: those that nobody asked for may still be on their way.
  const claimedMs = performance.now() + 5000
  while (second.host.ownedShards.length < 8 && performance.now() < claimedMs) await sleep(20)
  assert.equal(second.host.ownedShards.length, 8)
  await second.host.drain()
})
