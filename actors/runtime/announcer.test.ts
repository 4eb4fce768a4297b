import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { JsonValue } from '#protocol/json/types.ts'
import type { Bus, BusMessage } from '../bus/bus.ts'
import { ManualClock } from '#test/support/manual-clock.ts'
import { Announcer } from './announcer.ts'
import { systemRandom } from './clock.ts'
import { parseOwnership } from './ownership-messages.ts'

/** A bus of which only what the announcer uses is there: what was published, and a switch for its health. */
function recordingBus() {
  const published: (readonly [subject: string, head: JsonValue])[] = []
  let tell: ((healthy: boolean) => void) | undefined
  const bus = {
    publish: (subject: string, { head }: BusMessage) => void published.push([subject, head]),
    onHealth: (listener: (healthy: boolean) => void) => {
      tell = listener
      return () => {}
    },
  } as unknown as Bus
  return { bus, published, health: (healthy: boolean) => tell?.(healthy) }
}

it('announces a head once at a time, and the last one of a burst', async () => {
  const clock = new ManualClock()
  const { bus, published } = recordingBus()
  const announcer = new Announcer(bus, clock, systemRandom)
  for (let head = 1; head <= 5; head++) announcer.announce(7, 2, head)
  assert.deepEqual(published, [['log.7', { epoch: 2, head: 1 }]])
  await clock.advance(50)
  assert.deepEqual(published.slice(1), [['log.7', { epoch: 2, head: 5 }]])
  await clock.advance(1000)
  assert.equal(published.length, 2)
})

it('announces every head again for a while after the bus was away, for what was said meanwhile is lost', async () => {
  const clock = new ManualClock()
  const { bus, published, health } = recordingBus()
  const announcer = new Announcer(bus, clock, systemRandom)
  announcer.announce(1, 2, 10)
  announcer.announce(2, 2, 20)
  announcer.forget(2)
  await clock.advance(5000)
  published.splice(0)
  health(false)
  await clock.advance(5000)
  assert.equal(published.length, 0)
  health(true)
  announcer.announce(1, 2, 11)
  await clock.advance(5000)
  const heads = published.filter(([subject]) => subject !== 'ownership')
  assert.ok(heads.length >= 3)
  assert.ok(heads.every(([subject]) => subject === 'log.1'))
  assert.deepEqual(heads.at(-1), ['log.1', { epoch: 2, head: 11 }])
  const told = published
    .filter(([subject]) => subject === 'ownership')
    .map(([, head]) => parseOwnership(head))
  assert.ok(told.length >= 3, 'that replies may be lost is said as often')
  for (const message of told) assert.deepEqual(message, { ...told[0], kind: 'reconnected', shards: [1] })
})
