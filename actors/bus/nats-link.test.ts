import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { it } from 'node:test'
import { systemClock, systemRandom } from '../runtime/clock.ts'
import type { NatsConnection } from './nats-client.ts'
import { NatsLink } from './nats-link.ts'

/** A connection whose subscriptions never say that they have ended, as one does that is lost while they end. */
function forgetful(): { readonly connection: NatsConnection; readonly lose: () => void } {
  const lost = Promise.withResolvers<void>()
  const connection: NatsConnection = {
    publish: () => {},
    subscribe: () => ({ drain: () => new Promise(() => {}) }),
    flush: () => Promise.resolve(),
    isClosed: () => false,
    close: () => Promise.resolve(lost.resolve()),
    closed: () => lost.promise,
    async *status() {
      await lost.promise
      yield* []
    },
  }
  return { connection, lose: () => lost.resolve() }
}

async function greetingServer(): Promise<{ readonly address: string } & AsyncDisposable> {
  const server = createServer((socket) => void socket.on('error', () => {}).end('INFO {}\r\n'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  // The cast is sound for a server on a port.
  const { port } = server.address() as AddressInfo
  return {
    address: `127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.close()
      await once(server, 'close')
    },
  }
}

it(
  'the end of a subscription does not wait for a connection that is lost meanwhile',
  { timeout: 10_000 },
  async () => {
    await using server = await greetingServer()
    const { connection, lose } = forgetful()
    const link = new NatsLink({
      address: { servers: [server.address], tls: false, label: 'test' },
      dial: () => Promise.resolve(connection),
      clock: systemClock,
      random: systemRandom,
      maxUnconfirmedBytes: 1000,
    })
    await link.start(5_000)
    const subscription = await link.subscribe('log.1', () => {})
    const startedAt = performance.now()
    const closed = subscription.close()
    lose()
    await closed
    assert.ok(performance.now() - startedAt < 1_500, 'not by the limit of time')
    const next = await link.subscribe('log.1', () => {})
    // Nobody says that the connection is lost: then a limit of time holds.
    await next.close()
    await link.close()
  },
)
