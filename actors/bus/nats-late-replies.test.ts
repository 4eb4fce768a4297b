import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { delay, systemClock, systemRandom } from '../runtime/clock.ts'
import { ManualClock } from '#test/support/manual-clock.ts'
import { startNatsNodes } from '#test/support/nats-nodes.ts'
import { type Bus, BusError, type BusMessage } from './bus.ts'
import { LateReplies } from './nats-late-replies.ts'
import { connectNatsBus } from './nats.ts'
import { natsRefusal } from './nats-refusal.ts'
import { actorSubject } from './subjects.ts'

describe('late replies', () => {
  const frame = (size: number): Uint8Array[] => [new Uint8Array(size)]

  it('are kept in their order, for a while, and given out once', async () => {
    const clock = new ManualClock()
    const late = new LateReplies(clock, 100)
    assert.ok(late.keep('old', frame(10)))
    await clock.advance(4_000)
    assert.ok(late.keep('first', frame(10)))
    assert.ok(late.keep('second', frame(10)))
    await clock.advance(1_500)
    assert.deepEqual(
      late.take().map(({ to }) => to),
      ['first', 'second'],
    )
    assert.deepEqual(late.take(), [])
  })

  it('are refused beyond their bytes, of which those that nobody waits for do not count', async () => {
    const clock = new ManualClock()
    const late = new LateReplies(clock, 100)
    assert.ok(late.keep('a', frame(90)))
    assert.ok(!late.keep('b', frame(20)))
    await clock.advance(6_000)
    assert.ok(late.keep('c', frame(20)))
  })

  it(
    'reach whoever asked over another node, when the one who answers has lost his own',
    { timeout: 30_000 },
    async () => {
      await using nats = await startNatsNodes(2)
      const join = (...nodes: number[]) =>
        connectNatsBus({
          url: nats.url('actors', ...nodes),
          name: 'test',
          clock: systemClock,
          random: systemRandom,
          tls: { caFile: nats.ca },
        })
      await using asking = await join(1)
      await using serving = await join(0)
      const asked = Promise.withResolvers<void>()
      const lost = Promise.withResolvers<void>()
      serving.onHealth((healthy) => healthy || lost.resolve())
      await serving.serve(actorSubject('room', 1), async () => {
        asked.resolve()
        await lost.promise
        return { head: 'answered while away' }
      })
      const reply = askWhenKnown(asking)
      await Promise.race([asked.promise, reply])
      await nats.nodes[0]?.kill()
      await lost.promise
      await nats.nodes[0]?.start()
      assert.equal((await reply).head, 'answered while away')
    },
  )
})

/** A node learns only after a moment of what is served at another one. */
async function askWhenKnown(bus: Bus): Promise<BusMessage> {
  for (;;) {
    try {
      return await bus.request(actorSubject('room', 1), { head: 'who is there?' }, { timeoutMs: 15_000 })
    } catch (error) {
      if (!(error instanceof BusError) || error.kind !== 'no-responders') throw error
      await delay(systemClock, 20)
    }
  }
}

describe('a refusal by NATS', () => {
  it('names what to do, beside the words of the server', () => {
    const remedies = [
      ['Authorization Violation', /user of nats\.conf/],
      ['unable to verify the first certificate', /TROUPE_NATS_CA/],
      ['certificate has expired', /new one/],
      ["Hostname/IP does not match certificate's altnames", /name the server/],
      ["server does not support 'tls'", /nats:\/\//],
      ['connect ECONNREFUSED 127.0.0.1:4222', /start nats-server/],
    ] as const
    for (const [words, remedy] of remedies) {
      const text = natsRefusal(new Error(words))
      assert.ok(text.startsWith(words))
      assert.match(text, remedy)
    }
    assert.equal(natsRefusal(new Error('something else')), 'something else')
  })
})
