import assert from 'node:assert/strict'
import { it } from 'node:test'
import { busContract } from './bus-contract.ts'
import { MemoryBus } from './memory.ts'
import { actorSubject } from './subjects.ts'
import { systemClock } from '../runtime/clock.ts'

busContract('memory', async () => {
  const bus = new MemoryBus(systemClock)
  return {
    asking: bus,
    serving: bus,
    alsoServing: bus,
    [Symbol.asyncDispose]: () => bus[Symbol.asyncDispose](),
  }
})

it('the memory bus hands over messages as they are, without a copy', async () => {
  await using bus = new MemoryBus(systemClock)
  const body = new Uint8Array(10)
  await bus.serve(actorSubject('user', 0), async (message) => message)
  const reply = await bus.request(actorSubject('user', 0), { head: 1, body }, { timeoutMs: 1_000 })
  assert.ok(reply.body === body)
})
