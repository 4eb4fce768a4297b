/** What every adapter of the bus must do, as tests. Run by `memory.test.ts` and `nats.test.ts`. */

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type Bus, BusError, type BusFailure, type BusMessage } from './bus.ts'
import { actorSubject, hostSubject, logSubject, ownershipSubject, shardSubject } from './subjects.ts'

/** Three places on one bus: in one process they are the same object. */
export interface BusPlaces extends AsyncDisposable {
  readonly asking: Bus
  readonly serving: Bus
  readonly alsoServing: Bus
}

const subject = actorSubject('room', 7)
const bounded = { timeout: 15_000 }

/** Asserts that a request fails, and how. */
export async function assertFails(request: Promise<BusMessage>, kind: BusFailure): Promise<BusError> {
  try {
    await request
  } catch (error) {
    assert.ok(error instanceof BusError, `not a BusError: ${String(error)}`)
    assert.equal(error.kind, kind, error.message)
    return error
  }
  assert.fail(`a reply where '${kind}' was expected`)
}

/** Registers the contract's tests under `name`. `open` makes a fresh bus for each test. */
export function busContract(name: string, open: () => Promise<BusPlaces>): void {
  describe(`bus contract: ${name}`, () => {
    // The timers of a real clock do not keep a process alive, and the tests wait for some of them.
    let alive: NodeJS.Timeout
    before(() => {
      alive = setInterval(() => {}, 1_000)
    })
    after(() => clearInterval(alive))
    requests(open)
    failures(open)
    endings(open)
    publications(open)
    listeners(open)
  })
}

function requests(open: () => Promise<BusPlaces>): void {
  it('a request is answered by whoever serves its subject, head and body unchanged', bounded, async () => {
    await using places = await open()
    await places.serving.serve(subject, async ({ head, body }) => ({
      head: { got: head },
      ...(body === undefined ? {} : { body }),
    }))
    const ask = (message: BusMessage) => places.asking.request(subject, message, { timeoutMs: 5_000 })
    const head = { text: 'ü"\n\u{1f600}', list: [1, null, true], ['__proto__']: 1 }
    assert.deepEqual(await ask({ head }), { head: { got: head } })
    assert.deepEqual(await ask({ head: 1, body: '\ufeffä"\\' }), { head: { got: 1 }, body: '\ufeffä"\\' })
    const bytes = await ask({ head: null, body: Uint8Array.of(0, 255, 10, 13) })
    assert.ok(bytes.body instanceof Uint8Array)
    assert.deepEqual([...bytes.body], [0, 255, 10, 13])
    assert.equal((await ask({ head: 0, body: '' })).body, '')
  })

  it('a body of 5 MB passes whole, there and back', bounded, async () => {
    await using places = await open()
    await places.serving.serve(subject, async ({ body }) => ({
      head: { length: body?.length ?? 0 },
      body: `${String(body)}!`,
    }))
    const body = 'fünf MB '.repeat(655_360)
    const reply = await places.asking.request(subject, { head: 'large', body }, { timeoutMs: 10_000 })
    assert.deepEqual(reply.head, { length: body.length })
    assert.ok(reply.body === `${body}!`)
  })

  it('of 1,000 requests at once each gets its own reply', bounded, async () => {
    await using places = await open()
    await places.serving.serve(subject, async ({ head }) => {
      if (Number(head) % 3 === 0) await new Promise(setImmediate)
      return { head }
    })
    const numbers = Array.from({ length: 1_000 }, (_, index) => index)
    const replies = await Promise.all(
      numbers.map((head) => places.asking.request(subject, { head }, { timeoutMs: 10_000 })),
    )
    assert.deepEqual(
      replies.map((reply) => reply.head),
      numbers,
    )
  })

  it(
    'of two that serve a subject the first to say something is heard, and silence is not an answer',
    bounded,
    async () => {
      await using places = await open()
      await places.serving.serve(subject, async () => undefined)
      const second = await places.alsoServing.serve(subject, async () => ({ head: 'second' }))
      const ask = () => places.asking.request(subject, { head: 0 }, { timeoutMs: 2_000 })
      assert.equal((await ask()).head, 'second')
      await second.close()
      const never = Promise.withResolvers<undefined>()
      await places.alsoServing.serve(subject, () => never.promise)
      await places.serving.serve(subject, async () => ({ head: 'quick' }))
      assert.equal((await ask()).head, 'quick')
      never.resolve(undefined)
    },
  )
}

function failures(open: () => Promise<BusPlaces>): void {
  it('a request that nobody serves fails at once', bounded, async () => {
    await using places = await open()
    const startedAt = performance.now()
    await assertFails(places.asking.request(subject, { head: 0 }, { timeoutMs: 10_000 }), 'no-responders')
    assert.ok(performance.now() - startedAt < 2_000)
  })

  it('a request on which the handler says nothing times out, and not earlier', bounded, async () => {
    await using places = await open()
    await places.serving.serve(subject, async () => undefined)
    const startedAt = performance.now()
    await assertFails(places.asking.request(subject, { head: 0 }, { timeoutMs: 100 }), 'timeout')
    assert.ok(performance.now() - startedAt >= 95)
  })

  it("the handler's signal is aborted when the deadline of its caller is over", bounded, async () => {
    await using places = await open()
    const aborted = Promise.withResolvers<void>()
    await places.serving.serve(subject, async (_message, { signal }) => {
      signal.addEventListener('abort', () => aborted.resolve())
      await aborted.promise
      return { head: 'too late' }
    })
    await assertFails(places.asking.request(subject, { head: 0 }, { timeoutMs: 50 }), 'timeout')
    await aborted.promise
  })

  it('a caller who gives up is rejected at once, and the handler learns it', bounded, async () => {
    await using places = await open()
    const started = Promise.withResolvers<void>()
    const aborted = Promise.withResolvers<void>()
    await places.serving.serve(subject, async (_message, { signal }) => {
      signal.addEventListener('abort', () => aborted.resolve())
      started.resolve()
      await aborted.promise
      return undefined
    })
    const caller = new AbortController()
    const options = { timeoutMs: 14_000, signal: caller.signal }
    const request = assertFails(places.asking.request(subject, { head: 0 }, options), 'aborted')
    await started.promise
    caller.abort()
    await Promise.all([request, aborted.promise])
    await assertFails(places.asking.request(subject, { head: 0 }, options), 'aborted')
  })

  it(
    'a handler that throws makes the request fail, and tells the class of the error alone',
    bounded,
    async () => {
      await using places = await open()
      await places.serving.serve(subject, async () => {
        throw new RangeError('secret')
      })
      const request = places.asking.request(subject, { head: 0 }, { timeoutMs: 5_000 })
      const error = await assertFails(request, 'failed')
      assert.match(error.message, /RangeError/)
      assert.doesNotMatch(error.message, /secret/)
    },
  )
}

function endings(open: () => Promise<BusPlaces>): void {
  it('a closed subscription serves no more, but answers what was under way', bounded, async () => {
    await using places = await open()
    const started = Promise.withResolvers<void>()
    const release = Promise.withResolvers<void>()
    const subscription = await places.serving.serve(subject, async () => {
      started.resolve()
      await release.promise
      return { head: 'done' }
    })
    const underWay = places.asking.request(subject, { head: 0 }, { timeoutMs: 10_000 })
    await started.promise
    await subscription.close()
    await subscription.close()
    await assertFails(places.asking.request(subject, { head: 0 }, { timeoutMs: 5_000 }), 'no-responders')
    release.resolve()
    assert.equal((await underWay).head, 'done')
  })

  it('closing the bus answers what is under way, and later requests find it closed', bounded, async () => {
    await using places = await open()
    const started = Promise.withResolvers<void>()
    const release = Promise.withResolvers<void>()
    await places.serving.serve(subject, async () => {
      started.resolve()
      await release.promise
      return { head: 'done' }
    })
    const underWay = places.asking.request(subject, { head: 0 }, { timeoutMs: 10_000 })
    await started.promise
    const closed = places.serving[Symbol.asyncDispose]()
    release.resolve()
    await closed
    assert.equal((await underWay).head, 'done')
    await assertFails(places.serving.request(subject, { head: 0 }, { timeoutMs: 1_000 }), 'disconnected')
    await assert.rejects(
      places.serving.serve(subject, async () => undefined),
      BusError,
    )
    places.serving.publish(subject, { head: 0 })
  })
}

function publications(open: () => Promise<BusPlaces>): void {
  it('every listener hears every publication of its subject, in order', bounded, async () => {
    await using places = await open()
    const topic = logSubject(3)
    const heard = [places.serving, places.alsoServing].map(async (bus) => {
      const numbers: unknown[] = []
      const whole = Promise.withResolvers<unknown[]>()
      await bus.subscribe(topic, ({ head }) => {
        numbers.push(head)
        if (numbers.length === 2_000) whole.resolve(numbers)
      })
      return () => whole.promise
    })
    const listeners = await Promise.all(heard)
    const sent = Array.from({ length: 2_000 }, (_, index) => index)
    for (const head of sent) places.asking.publish(topic, { head })
    for (const listener of listeners) assert.deepEqual(await listener(), sent)
  })

  it('a publication never runs its listeners inside the call, and may be large', bounded, async () => {
    await using places = await open()
    const heard = Promise.withResolvers<BusMessage>()
    let returned = false
    await places.serving.subscribe(hostSubject('1234567890123456789'), (message) => {
      assert.ok(returned)
      heard.resolve(message)
    })
    const body = Buffer.alloc(3_000_000, 'x')
    places.asking.publish(hostSubject('1234567890123456789'), { head: ['batch'], body })
    returned = true
    const message = await heard.promise
    assert.deepEqual(message.head, ['batch'])
    assert.ok(message.body !== undefined && body.equals(Buffer.from(message.body)))
  })
}

function listeners(open: () => Promise<BusPlaces>): void {
  it(
    'a listener that throws does not keep a publication from the others, nor from itself the next',
    bounded,
    async () => {
      await using places = await open()
      const heard: unknown[] = []
      const second = Promise.withResolvers<void>()
      let thrown = 0
      await places.serving.subscribe(ownershipSubject, () => {
        thrown += 1
        throw new Error('our bug')
      })
      await places.serving.subscribe(ownershipSubject, ({ head }) => {
        heard.push(head)
        if (head === 2) second.resolve()
      })
      places.asking.publish(ownershipSubject, { head: 1 })
      places.asking.publish(ownershipSubject, { head: 2 })
      await second.promise
      assert.deepEqual(heard, [1, 2])
      assert.equal(thrown, 2)
    },
  )

  it('a closed listener hears nothing more, and subjects are apart', bounded, async () => {
    await using places = await open()
    const heard: unknown[] = []
    const end = Promise.withResolvers<void>()
    const closed = await places.serving.subscribe(shardSubject(1), ({ head }) => heard.push(head))
    await places.serving.subscribe(shardSubject(11), ({ head }) => {
      heard.push(head)
      end.resolve()
    })
    await closed.close()
    places.asking.publish(shardSubject(1), { head: 'lost' })
    places.asking.publish(shardSubject(11), { head: 'heard' })
    await end.promise
    assert.deepEqual(heard, ['heard'])
  })
}
