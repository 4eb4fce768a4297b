import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '#test/support/manual-clock.ts'
import { NatsPulse } from './nats-pulse.ts'

/** A server that answers pings while it is told to. */
function pulse(clock: ManualClock): {
  readonly pulse: NatsPulse
  readonly server: { answers: boolean; pings: number; still: number }
} {
  const server = { answers: true, pings: 0, still: 0 }
  return {
    server,
    pulse: new NatsPulse({
      clock,
      ping: () => {
        server.pings++
        return server.answers ? Promise.resolve() : new Promise(() => {})
      },
      onStill: () => void server.still++,
    }),
  }
}

test('a server that answers pings is never given up', async () => {
  const clock = new ManualClock()
  const { server } = pulse(clock)
  await clock.advance(60_000)
  assert.equal(server.still, 0)
  assert.ok(server.pings > 50)
})

test('a server that answers no ping is given up after two and a half seconds, once', async () => {
  const clock = new ManualClock()
  const { pulse: one, server } = pulse(clock)
  await clock.advance(5_000)
  server.answers = false
  await clock.advance(2_000)
  assert.equal(server.still, 0)
  await clock.advance(1_000)
  assert.equal(server.still, 1)
  assert.ok(one.silentMs >= 2_000)
  await clock.advance(10_000)
  assert.equal(server.still, 1)
})

test('a server that sends messages is not given up although a ping has not been answered yet', async () => {
  const clock = new ManualClock()
  const { pulse: one, server } = pulse(clock)
  server.answers = false
  for (let second = 0; second < 20; second++) {
    await clock.advance(1_000)
    one.heard()
  }
  assert.equal(server.still, 0)
})

test('a process that stood still does not take its own silence for the server’s', () => {
  const due: (() => void)[] = []
  let nowMs = 0
  let still = 0
  const one = new NatsPulse({
    clock: {
      now: () => nowMs,
      monotonic: () => nowMs,
      after: (_ms, run) => {
        due.push(run)
        return { cancel: () => {} }
      },
    },
    ping: () => new Promise(() => {}),
    onStill: () => void still++,
  })
  const look = (afterMs: number): void => {
    nowMs += afterMs
    due.shift()?.()
  }
  look(250)
  look(250)
  // For a minute nothing runs; then the timer comes first, and after it what the server has sent.
  look(60_000)
  assert.equal(still, 0)
  one.heard()
  for (let looks = 0; looks < 9; looks++) look(250)
  assert.equal(still, 0)
  look(250)
  assert.equal(still, 1)
})
