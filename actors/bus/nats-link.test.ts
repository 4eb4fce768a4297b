/** The client never tells of what the server still owed when a connection was lost: nobody may wait for it. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { it } from 'node:test'
import { systemClock, systemRandom } from '../runtime/clock.ts'
import type { NatsConnection } from './nats-client.ts'
import { NatsLink } from './nats-link.ts'

const limit = { timeout: 10_000 }

interface Fake {
  readonly connection: NatsConnection
  /** From now on the server owes every answer. */
  owe(): void
  lose(): void
}

function fake(): Fake {
  const lost = Promise.withResolvers<void>()
  let owes = false
  const connection: NatsConnection = {
    publish: () => {},
    subscribe: () => ({ drain: () => (owes ? new Promise(() => {}) : Promise.resolve()) }),
    flush: () => (owes ? new Promise(() => {}) : Promise.resolve()),
    isClosed: () => false,
    close: () => Promise.resolve(lost.resolve()),
    closed: () => lost.promise,
    async *status() {
      await lost.promise
      yield* []
    },
  }
  return { connection, owe: () => (owes = true), lose: () => lost.resolve() }
}

/** A link that uses these connections, one after the other. */
async function linkOver(fakes: readonly Fake[]): Promise<{ readonly link: NatsLink } & AsyncDisposable> {
  const server = createServer((socket) => void socket.on('error', () => {}).end('INFO {}\r\n'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  // The cast is sound for a server on a port.
  const { port } = server.address() as AddressInfo
  let dialed = 0
  const link = new NatsLink({
    address: { servers: [`127.0.0.1:${port}`], tls: false, label: 'test' },
    dial: async () => (fakes[dialed++] ?? fake()).connection,
    clock: systemClock,
    random: systemRandom,
    maxUnconfirmedBytes: 1000,
  })
  return {
    link,
    async [Symbol.asyncDispose]() {
      await link.close()
      server.close()
    },
  }
}

it('the end of a subscription does not wait for a connection that is lost meanwhile', limit, async () => {
  const first = fake()
  await using one = await linkOver([first])
  await one.link.start(5_000)
  const subscription = await one.link.subscribe('log.1', () => {})
  first.owe()
  const startedAt = performance.now()
  const closed = subscription.close()
  first.lose()
  await closed
  assert.ok(performance.now() - startedAt < 1_500, 'not by the limit of time')
})

it('nor for ever for one that stands still and is not lost', limit, async () => {
  const first = fake()
  await using one = await linkOver([first])
  await one.link.start(5_000)
  const subscription = await one.link.subscribe('log.1', () => {})
  first.owe()
  await subscription.close()
})

it('whoever subscribes or flushes does not wait for a connection that is lost meanwhile', limit, async () => {
  const first = fake()
  await using one = await linkOver([first])
  await one.link.start(5_000)
  first.owe()
  const waiting = Promise.all([one.link.subscribe('log.1', () => {}), one.link.flush()])
  first.lose()
  await waiting
})

it('a connection that is lost before it has answered at all is replaced', limit, async () => {
  const first = fake()
  first.owe()
  await using one = await linkOver([first])
  const healthy = Promise.withResolvers<boolean>()
  one.link.onHealth(healthy.resolve)
  await one.link.start(300)
  assert.equal(one.link.healthy, false)
  first.lose()
  assert.equal(await healthy.promise, true)
})

it(
  'who ends while a server that stands still owes everything waits for nothing after the cut',
  limit,
  async () => {
    const first = fake()
    await using one = await linkOver([first])
    await one.link.start(5_000)
    const subscription = await one.link.subscribe('log.1', () => {})
    first.owe()
    const waiting = Promise.all([subscription.close(), one.link.flush()])
    const startedAt = performance.now()
    one.link.cut('the process ends')
    await waiting
    await one.link.close()
    assert.ok(performance.now() - startedAt < 1_500, 'not by the limit of time')
    assert.equal(one.link.healthy, false)
    assert.equal(one.link.send('log.1', [new Uint8Array(1)]), 'disconnected')
  },
)

it('a start that waits for a server that never greets is over with the cut', limit, async () => {
  await using silent = createServer(() => {}).listen(0, '127.0.0.1')
  await once(silent, 'listening')
  // The cast is sound for a server on a port.
  const { port } = silent.address() as AddressInfo
  const link = new NatsLink({
    address: { servers: [`127.0.0.1:${port}`], tls: false, label: 'test' },
    dial: () => assert.fail('it was never greeted'),
    clock: systemClock,
    random: systemRandom,
    maxUnconfirmedBytes: 1000,
  })
  const startedAt = performance.now()
  const started = link.start(5_000)
  link.cut('the process ends')
  await started
  await link.close()
  assert.ok(performance.now() - startedAt < 2_000, 'not by the limit of time')
})
