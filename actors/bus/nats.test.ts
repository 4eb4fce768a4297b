import { connect, type NatsConnection } from '@nats-io/transport-node'
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { assertFails, busContract } from './bus-contract.ts'
import type { Bus } from './bus.ts'
import { encodeMessage } from './codec.ts'
import { type BusFact, busChannel } from './events.ts'
import { frameHeaderBytes, frameKind, toFrames } from './frame.ts'
import type { NatsBus } from './nats-bus.ts'
import { connectNatsBus, type NatsBusOptions } from './nats.ts'
import { actorSubject, logSubject } from './subjects.ts'
import { systemClock, systemRandom } from '../runtime/clock.ts'
import { natsServer, type NatsServer } from '#test/support/nats.ts'

const subject = actorSubject('room', 7)
const bounded = { timeout: 30_000 }
let shared: NatsServer
let alive: NodeJS.Timeout

before(async () => {
  alive = setInterval(() => {}, 1_000)
  shared = await natsServer()
})
after(async () => {
  clearInterval(alive)
  await shared.stop()
})

busContract('nats, between processes', async () => {
  const stack = new AsyncDisposableStack()
  const [asking, serving, alsoServing] = await Promise.all([joinBus(), joinBus(), joinBus()])
  for (const bus of [asking, serving, alsoServing]) stack.use(bus)
  return { asking, serving, alsoServing, [Symbol.asyncDispose]: () => stack.disposeAsync() }
})

busContract('nats, within one process', async () => {
  const bus = await joinBus()
  return {
    asking: bus,
    serving: bus,
    alsoServing: bus,
    [Symbol.asyncDispose]: () => bus[Symbol.asyncDispose](),
  }
})

describe('nats: a connection that comes and goes', () => {
  it('subscriptions live on when the server is started again', bounded, async () => {
    await using server = await natsServer()
    await using serving = await joinBus({ url: server.url })
    await using asking = await joinBus({ url: server.url })
    const heard = Promise.withResolvers<unknown>()
    await serving.serve(subject, async ({ head }) => ({ head }))
    await serving.subscribe(logSubject(1), ({ head }) => heard.resolve(head))
    const changes: boolean[] = []
    asking.onHealth((healthy) => changes.push(healthy))
    await server.kill()
    await Promise.all([turns(asking, false), turns(serving, false)])
    await server.start()
    await Promise.all([turns(asking, true), turns(serving, true)])
    assert.deepEqual(changes, [false, true])
    assert.equal((await asking.request(subject, { head: 'again' }, { timeoutMs: 5_000 })).head, 'again')
    asking.publish(logSubject(1), { head: 'heard' })
    assert.equal(await heard.promise, 'heard')
  })

  it(
    'without a connection requests fail at once, publications are dropped, and nothing comes later',
    bounded,
    async () => {
      await using server = await natsServer()
      await using serving = await joinBus({ url: server.url })
      await using asking = await joinBus({ url: server.url })
      const heads: unknown[] = []
      await serving.serve(subject, async ({ head }) => {
        heads.push(head)
        return head === 'held' ? undefined : { head }
      })
      const waiting = asking.request(subject, { head: 'held' }, { timeoutMs: 20_000 })
      const lost = assertFails(waiting, 'disconnected')
      await until(() => heads.length === 1)
      await server.kill()
      await lost
      using facts = collectFacts()
      await assertFails(asking.request(subject, { head: 'now' }, { timeoutMs: 20_000 }), 'disconnected')
      asking.publish(subject, { head: 'dropped' })
      assert.ok(facts.some((fact) => fact.kind === 'dropped' && fact.reason === 'disconnected'))
      await server.start()
      await Promise.all([turns(asking, true), turns(serving, true)])
      assert.equal((await asking.request(subject, { head: 'later' }, { timeoutMs: 5_000 })).head, 'later')
      assert.deepEqual(heads, ['held', 'later'])
    },
  )

  it('a server that is not there at the start is waited for, then told, then found', bounded, async () => {
    await using server = await natsServer()
    const url = server.url.replace('nats://', 'nats://someone:secret@')
    await server.stop()
    using facts = collectFacts()
    await using bus = await joinBus({ url, waitMs: 100 })
    assert.equal(bus.healthy, false)
    const failure = facts.find((fact) => fact.kind === 'connect-failed')
    assert.ok(failure?.kind === 'connect-failed')
    assert.match(failure.reason, /NATS_URL .*127\.0\.0\.1:\d+.*refused/i)
    assert.doesNotMatch(failure.reason, /secret/)
    await bus.serve(subject, async () => ({ head: 'here' }))
    await server.start()
    await turns(bus, true)
    await using asking = await joinBus({ url: server.url })
    assert.equal((await asking.request(subject, { head: 0 }, { timeoutMs: 5_000 })).head, 'here')
  })

  it(
    'a server that stands still costs no memory, is noticed, and serves again when it moves',
    bounded,
    async () => {
      await using server = await natsServer()
      await using serving = await joinBus({ url: server.url })
      await using asking = await joinBus({ url: server.url, maxUnconfirmedBytes: 1_000_000 })
      await serving.serve(subject, async ({ head }) => ({ head }))
      server.pause()
      const held = assertFails(
        asking.request(subject, { head: 'held' }, { timeoutMs: 20_000 }),
        'disconnected',
      )
      using facts = collectFacts()
      const body = 'x'.repeat(100_000)
      for (let count = 0; count < 100; count += 1) asking.publish(logSubject(1), { head: 0, body })
      const congested = facts.filter((fact) => fact.kind === 'dropped' && fact.reason === 'congested')
      assert.ok(congested.length >= 90, `${congested.length} dropped`)
      await assertFails(asking.request(subject, { head: 0, body }, { timeoutMs: 20_000 }), 'disconnected')
      await turns(asking, false)
      assert.ok((await held).silentMs >= 2_000, 'whoever waited is told for how long there was silence')
      server.resume()
      await Promise.all([turns(asking, true), turns(serving, true)])
      assert.equal((await asking.request(subject, { head: 'moves' }, { timeoutMs: 5_000 })).head, 'moves')
    },
  )

  it('closing is quick while there is no server', bounded, async () => {
    const server = await natsServer()
    const bus = await joinBus({ url: server.url })
    await server.kill()
    await turns(bus, false)
    const startedAt = performance.now()
    await bus[Symbol.asyncDispose]()
    assert.ok(performance.now() - startedAt < 1_000)
  })

  it('a URL that cannot be read is refused by the name of its setting, without its password', async () => {
    for (const url of ['', 'http://u:secret@host', 'nats://u:secret@:4222']) {
      await assert.rejects(joinBus({ url }), (error: Error) => {
        return /NATS_URL/.test(error.message) && !error.message.includes('secret')
      })
    }
  })
})

describe('nats: limits', () => {
  it(
    'more requests than a subject may have under way are refused at once, and later ones served',
    bounded,
    async () => {
      await using serving = await joinBus({ maxRequests: 4 })
      await using asking = await joinBus()
      const release = Promise.withResolvers<void>()
      await serving.serve(subject, async ({ head }) => {
        await release.promise
        return { head }
      })
      using facts = collectFacts()
      const requests = Array.from({ length: 20 }, (_, head) =>
        asking.request(subject, { head }, { timeoutMs: 20_000 }),
      )
      const refused = await Promise.all(requests.slice(4).map((request) => assertFails(request, 'failed')))
      assert.match(String(refused[0]), /overloaded/)
      assert.equal(facts.filter((fact) => fact.kind === 'dropped' && fact.reason === 'overloaded').length, 16)
      assert.equal(serving.running, 4)
      release.resolve()
      await Promise.all(requests.slice(0, 4))
      await until(() => serving.running === 0)
      assert.equal((await asking.request(subject, { head: 'after' }, { timeoutMs: 5_000 })).head, 'after')
    },
  )

  it('what is larger than allowed fails at its sender, whichever way it goes', bounded, async () => {
    await using serving = await joinBus({ maxMessageBytes: 10_000 })
    await using asking = await joinBus()
    await serving.serve(subject, async () => ({ head: 0, body: 'x'.repeat(10_001) }))
    const reply = await assertFails(asking.request(subject, { head: 0 }, { timeoutMs: 5_000 }), 'failed')
    assert.match(reply.message, /oversized/)
    const body = 'x'.repeat(2_000_000)
    const foreign = assertFails(asking.request(subject, { head: 0, body }, { timeoutMs: 5_000 }), 'failed')
    assert.match((await foreign).message, /oversized/)
    const own = assertFails(
      serving.request(actorSubject('user', 1), { head: 0, body }, { timeoutMs: 5_000 }),
      'failed',
    )
    assert.match((await own).message, /oversized/)
  })

  it('a server with a small max_payload gets smaller parts', bounded, async () => {
    const directory = await mkdtemp(join(tmpdir(), 'troupe-nats-'))
    try {
      const config = join(directory, 'small.conf')
      await writeFile(config, 'max_payload: 4096\n')
      await using server = await natsServer({ config })
      await using serving = await joinBus({ url: server.url })
      await using asking = await joinBus({ url: server.url })
      await serving.serve(subject, async (message) => message)
      const body = 'ab'.repeat(250_000)
      assert.ok((await asking.request(subject, { head: 0, body }, { timeoutMs: 10_000 })).body === body)
    } finally {
      await rm(directory, { recursive: true })
    }
  })
})

describe('nats: foreign and incomplete messages', () => {
  it('a reply that lost a part fails', bounded, async () => {
    await using foreign = await connect({ servers: shared.url })
    await using asking = await joinBus()
    await respondWith(foreign, [0, 2])
    const error = await assertFails(asking.request(subject, { head: 0 }, { timeoutMs: 20_000 }), 'failed')
    assert.match(error.message, /incomplete/)
  })

  it('a reply that lost its first part fails', bounded, async () => {
    await using foreign = await connect({ servers: shared.url })
    await using asking = await joinBus()
    await respondWith(foreign, [1, 2])
    await assertFails(asking.request(subject, { head: 0 }, { timeoutMs: 20_000 }), 'failed')
  })

  it('a reply that lost its end fails at the deadline, not as if nobody had answered', bounded, async () => {
    await using foreign = await connect({ servers: shared.url })
    await using asking = await joinBus()
    await respondWith(foreign, [0, 1])
    const error = await assertFails(asking.request(subject, { head: 0 }, { timeoutMs: 200 }), 'failed')
    assert.match(error.message, /whole/)
    assert.equal(asking.waiting, 0)
  })

  it('large replies of two responders, part by part at the same time, do not mix', bounded, async () => {
    await using foreign = await connect({ servers: shared.url })
    await using asking = await joinBus()
    foreign.subscribe(subject, {
      callback: (_error, message) => {
        const [first, second] = [parts('a', 1), parts('b', 2)]
        first.forEach((part, index) => {
          message.respond(part)
          message.respond(second[index])
        })
      },
    })
    await foreign.flush()
    const reply = await asking.request(subject, { head: 0 }, { timeoutMs: 5_000 })
    assert.equal(reply.body, 'a'.repeat(250))
  })

  it('foreign bytes are refused or dropped, and harm nothing', bounded, async () => {
    await using foreign = await connect({ servers: shared.url })
    await using bus = await joinBus()
    const heard: unknown[] = []
    const end = Promise.withResolvers<void>()
    await bus.serve(subject, async ({ head }) => ({ head }))
    await bus.subscribe(logSubject(2), ({ head }) => {
      heard.push(head)
      end.resolve()
    })
    using facts = collectFacts()
    const garbage = ['', '{"head":1}', '\u0001\u0001', Buffer.alloc(24, 2), Buffer.alloc(100, 255)]
    for (const bytes of garbage) {
      foreign.publish(logSubject(2), bytes)
      foreign.publish(subject, bytes)
      foreign.publish(subject, bytes, { reply: 'nowhere' })
    }
    await foreign.flush()
    await using other = await joinBus()
    other.publish(logSubject(2), { head: 'heard' })
    await end.promise
    assert.deepEqual(heard, ['heard'])
    assert.equal((await other.request(subject, { head: 'asked' }, { timeoutMs: 5_000 })).head, 'asked')
    assert.equal(facts.filter((fact) => fact.kind === 'dropped' && fact.reason === 'malformed').length, 15)
  })
})

/** Serves the subject with the given of three parts of a reply. */
async function respondWith(foreign: NatsConnection, sequences: readonly number[]): Promise<void> {
  foreign.subscribe(subject, {
    callback: (_error, message) => {
      const all = parts('x', 1)
      for (const sequence of sequences) message.respond(all[sequence])
    },
  })
  await foreign.flush()
}

/** A reply of 250 characters in three parts. */
function parts(character: string, sender: number): Buffer[] {
  const bytes = encodeMessage({ head: 0, body: character.repeat(250) }, frameHeaderBytes)
  const frames = toFrames({ kind: frameKind.reply, timeoutMs: 0, sender, stream: 1 }, bytes, 120)
  assert.equal(frames?.length, 3)
  return frames ?? []
}

function joinBus(options: Partial<NatsBusOptions> = {}): Promise<NatsBus> {
  return connectNatsBus({
    url: shared.url,
    name: 'test',
    clock: systemClock,
    random: systemRandom,
    ...options,
  })
}

/** Resolves when the bus is, or has become, healthy or not. */
async function turns(bus: Bus, healthy: boolean): Promise<void> {
  if (bus.healthy === healthy) return
  const turned = Promise.withResolvers<void>()
  const end = bus.onHealth((now) => {
    if (now === healthy) turned.resolve()
  })
  await turned.promise
  end()
}

/** Resolves when the condition holds; the test's own limit bounds it. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(setImmediate)
}

/** What the bus reports from now on, in an array that is cut off when disposed. */
function collectFacts(): BusFact[] & Disposable {
  const facts: BusFact[] = []
  const onFact = (fact: unknown): void => {
    facts.push(fact as BusFact)
  }
  busChannel.subscribe(onFact)
  return Object.assign(facts, { [Symbol.dispose]: () => busChannel.unsubscribe(onFact) })
}
