import assert from 'node:assert/strict'
import { test } from 'node:test'

import {
  expiredAtOnce,
  type ExpiredKind,
  type LogStep,
  type LogStepResult,
  type SweepStore,
} from '#storage/sweep/sweep.ts'
import { ManualClock, seededRandom, settle } from '#test/support/manual-clock.ts'
import { backgroundChannel, type BackgroundEvent } from '../runtime/events.ts'
import { FeedHooks } from '../runtime/feed-hooks.ts'
import { type SweepEvent, sweepChannel } from './events.ts'
import { LogSweep, type SweepPace, usualPace } from './log-sweep.ts'

const { behindMs, intervalMs } = usualPace

/** Steps as they are asked for; each waits until the test answers it. */
class Steps implements SweepStore {
  readonly asked: LogStep[] = []
  expired: number[] = []
  /** What the next steps come to. */
  readonly results: (LogStepResult | Error)[] = []
  /** How many of them the next looks at what has expired delete. */
  readonly claimedKeys: number[] = []
  /** Undefined: a step is answered at once. */
  held: PromiseWithResolvers<void> | undefined

  async sweepLog(step: LogStep): Promise<LogStepResult> {
    this.asked.push(step)
    await this.held?.promise
    const result = this.results.shift() ?? done(1)
    if (result instanceof Error) throw result
    return result
  }

  sweepExpired(beforeMs: number): Promise<Record<ExpiredKind, number>> {
    this.expired.push(beforeMs)
    return Promise.resolve({
      loginToken: 1,
      openIdToken: 0,
      media: 0,
      claimedKey: this.claimedKeys.shift() ?? 0,
    })
  }
}

function done(waitMs: number | undefined): LogStepResult {
  return { kind: 'done', deleted: { receipt: 2 }, waitMs }
}

interface World extends Disposable {
  readonly clock: ManualClock
  readonly hooks: FeedHooks
  readonly steps: Steps
  readonly sweep: LogSweep
  serving: boolean
  claim(shard: number, head: number): void
  commit(shard: number, to: number): void
}

function makeWorld(pace?: SweepPace): World {
  const clock = new ManualClock()
  const hooks = new FeedHooks()
  const steps = new Steps()
  const isServing = (): boolean => world.serving
  const random = seededRandom(3)
  const sweep = new LogSweep({ store: steps, hooks, clock, random, isServing, ...(pace && { pace }) })
  const world: World = {
    clock,
    hooks,
    steps,
    sweep,
    serving: true,
    claim: (shard, head) => void hooks.shard({ what: 'claimed', shard, epoch: 4, head }),
    commit: (shard, to) => hooks.committed({ shard, epoch: 4, prev: to - 1, to, entries: [] }),
    [Symbol.dispose]: () => sweep[Symbol.dispose](),
  }
  return world
}

test('a shard is swept about once in the interval, up to what its owner knows to be answered', async () => {
  using world = makeWorld()
  world.claim(5, 10)
  world.commit(5, 12)
  await world.clock.advance(intervalMs)
  assert.deepEqual(world.steps.asked[0], { shard: 5, epoch: 4, upTo: 12, ageMs: 3_600_000, look: 2000 })
  await world.clock.advance(10 * intervalMs)
  assert(world.steps.asked.length >= 8 && world.steps.asked.length <= 14, `${world.steps.asked.length} steps`)
})

test('another pace can be set', async () => {
  using world = makeWorld({ intervalMs: 200, behindMs: 30, ageMs: 700 })
  world.claim(5, 10)
  world.steps.results.push(...Array.from({ length: 100 }, () => done(0)))
  await world.clock.advance(1200)
  assert.equal(world.steps.asked[0]?.ageMs, 700)
  assert(world.steps.asked.length > 20, `${world.steps.asked.length} steps`)
})

test('a shard with old rows left is swept more often, so that a busy one is not left behind', async () => {
  using world = makeWorld()
  world.claim(5, 10)
  world.steps.results.push(...Array.from({ length: 40 }, () => done(0)))
  await world.clock.advance(intervalMs)
  const steps = world.steps.asked.length
  await world.clock.advance(2 * behindMs)
  assert(world.steps.asked.length > steps)
})

test('shards that are claimed together are swept one after the other', async () => {
  using world = makeWorld()
  for (let shard = 1; shard <= 20; shard++) world.claim(shard, 1)
  world.steps.held = Promise.withResolvers()
  await world.clock.advance(intervalMs)
  assert.equal(world.steps.asked.length, 1)
  world.steps.held.resolve()
  await settle()
  await world.clock.advance(0)
  assert.equal(new Set(world.steps.asked.map(({ shard }) => shard)).size, 20)
})

test('a log with nothing left to sweep rests until something is committed', async () => {
  using world = makeWorld()
  world.claim(5, 10)
  world.steps.results.push(done(undefined))
  await world.clock.advance(100 * intervalMs)
  assert.equal(world.steps.asked.length, 1)
  world.commit(5, 11)
  await world.clock.advance(2 * intervalMs)
  assert.equal(world.steps.asked[1]?.upTo, 11)
})

test('what is committed during the last step is not forgotten', async () => {
  using world = makeWorld()
  world.claim(5, 10)
  world.steps.results.push(done(undefined))
  world.steps.held = Promise.withResolvers()
  await world.clock.advance(intervalMs)
  world.commit(5, 11)
  world.steps.held.resolve()
  await settle()
  await world.clock.advance(2 * intervalMs)
  assert.equal(world.steps.asked[1]?.upTo, 11)
})

test('nothing is asked before there can be something to do', async () => {
  using world = makeWorld()
  world.claim(5, 10)
  world.steps.results.push(done(60 * intervalMs))
  await world.clock.advance(40 * intervalMs)
  assert.equal(world.steps.asked.length, 1)
  await world.clock.advance(40 * intervalMs)
  assert(world.steps.asked.length > 1)
})

test('a shard that is lost, being given up or another’s is left alone', async () => {
  using world = makeWorld()
  world.claim(5, 10)
  world.claim(6, 10)
  world.steps.results.push({ kind: 'fenced' }, { kind: 'fenced' })
  world.serving = false
  await world.clock.advance(5 * intervalMs)
  assert.equal(world.steps.asked.length, 0)
  world.serving = true
  void world.hooks.shard({ what: 'lost', shard: 5, epoch: 4, head: 10 })
  await world.clock.advance(5 * intervalMs)
  assert.deepEqual(
    world.steps.asked.map(({ shard }) => shard),
    [6],
  )
  world.commit(6, 11)
  await world.clock.advance(5 * intervalMs)
  assert.equal(world.steps.asked.length, 1)
  assert.equal(world.clock.pending, 0)
})

test('a step that fails is told of and tried again', async () => {
  using world = makeWorld()
  const failed: unknown[] = []
  const listener = (event: unknown): void => void failed.push(event)
  backgroundChannel.subscribe(listener)
  try {
    world.claim(5, 10)
    const error = new Error('the database is away')
    world.steps.results.push(error)
    await world.clock.advance(intervalMs)
    const told: BackgroundEvent = { kind: 'runtime', name: 'sweep', what: 'failed', error }
    assert.deepEqual(failed, [told])
    await world.clock.advance(2 * intervalMs)
    assert(world.steps.asked.length > 1)
  } finally {
    backgroundChannel.unsubscribe(listener)
  }
})

test('the owner of one shard looks after what has expired, and what was deleted is told', async () => {
  using world = makeWorld()
  const told: SweepEvent[] = []
  const listener = (event: unknown): void => void told.push(event as SweepEvent)
  sweepChannel.subscribe(listener)
  try {
    world.claim(0, 10)
    world.steps.results.push(done(undefined))
    await world.clock.advance(intervalMs)
    assert.equal(world.steps.expired.length, 1)
    assert.equal(world.steps.expired[0] && world.steps.expired[0] < world.clock.now() - 3_600_000, true)
    assert.deepEqual(
      told.map(({ shard, deleted }) => ({ shard, deleted })).sort((a, b) => (a.shard ?? 1) - (b.shard ?? 1)),
      [
        { shard: 0, deleted: { receipt: 2 } },
        { shard: undefined, deleted: { loginToken: 1, openIdToken: 0, media: 0, claimedKey: 0 } },
      ],
    )
    await world.clock.advance(30 * intervalMs)
    assert(world.steps.expired.length >= 3)
    void world.hooks.shard({ what: 'lost', shard: 0, epoch: 4, head: 10 })
    const before = world.steps.expired.length
    await world.clock.advance(30 * intervalMs)
    assert.equal(world.steps.expired.length, before)
  } finally {
    sweepChannel.unsubscribe(listener)
  }
})

test('after its end nothing is begun any more', async () => {
  const world = makeWorld()
  world.claim(5, 10)
  world.sweep[Symbol.dispose]()
  world.claim(6, 10)
  await world.clock.advance(10 * intervalMs)
  assert.equal(world.steps.asked.length, 0)
  assert.equal(world.clock.pending, 0)
})

test('where more has expired than goes at once, the next look is soon', async () => {
  using world = makeWorld()
  world.steps.claimedKeys.push(expiredAtOnce, expiredAtOnce, 1)
  world.claim(0, 10)
  await world.clock.advance(intervalMs)
  await world.clock.advance(3 * behindMs)
  assert.equal(world.steps.expired.length, 3)
  await world.clock.advance(3 * behindMs)
  assert.equal(world.steps.expired.length, 3)
})
