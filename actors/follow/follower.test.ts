import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Reads } from '#storage/reads.ts'
import { ManualClock, seededRandom } from '#test/support/manual-clock.ts'
import { MemoryBus } from '../bus/memory.ts'
import { HostFeed } from './follower.ts'

interface HeadRow {
  readonly incarnation: number
  readonly head: number
}

/** Of one shard, over a database that answers so. */
function feedOver(clock: ManualClock, sql: () => Promise<readonly HeadRow[]>): HostFeed {
  // The cast is sound: the feed asks for nothing but the heads.
  const reads = { sql } as unknown as Reads
  return new HostFeed({ bus: new MemoryBus(clock), clock, random: seededRandom(1), reads, shardCount: 1 })
}

test('nothing is proven by a hold on a shard from before the database lost commits', async () => {
  const clock = new ManualClock()
  let row = { incarnation: 1, head: 20 }
  await using feed = feedOver(clock, () => Promise.resolve([row]))
  await feed.poll()
  feed.claimed(0, { epoch: 3, head: 20 }, new Map())
  assert.equal(feed.provenTo(0), 20)
  const broken: number[] = []
  feed.onBroken((shard) => broken.push(shard))
  row = { incarnation: 2, head: 17 }
  await feed.readHeads()
  assert.deepEqual([feed.provenTo(0), broken], [undefined, [0]])
  feed.claimed(0, { epoch: 4, head: 20 }, new Map())
  assert.equal(feed.provenTo(0), undefined, 'a claim that was answered late')
  feed.lost(0)
  feed.claimed(0, { epoch: 1_000_004, head: 17 }, new Map())
  assert.equal(feed.provenTo(0), 17)
})

test('what nobody announces is found out by looking at all heads', async () => {
  const clock = new ManualClock()
  let row = { incarnation: 1, head: 20 }
  await using feed = feedOver(clock, () => Promise.resolve([row]))
  await feed.start()
  const changed: number[] = []
  feed.onBroken((shard) => changed.push(shard))
  row = { incarnation: 1, head: 21 }
  await clock.advance(4000)
  assert.deepEqual(changed, [0])
})

test('what nobody announces is found out also in logs that are shorter than before, for the database lost commits', async () => {
  const clock = new ManualClock()
  let row = { incarnation: 1, head: 20 }
  await using feed = feedOver(clock, () => Promise.resolve([row]))
  await feed.start()
  row = { incarnation: 2, head: 17 }
  await clock.advance(4000)
  const changed: number[] = []
  feed.onBroken((shard) => changed.push(shard))
  row = { incarnation: 2, head: 18 }
  await clock.advance(4000)
  assert.deepEqual(changed, [0])
})

test('who asks for the heads while a statement is under way gets those of one that began after he asked; in one turn all share one', async () => {
  const clock = new ManualClock()
  const answers: PromiseWithResolvers<HeadRow[]>[] = []
  const sql = (): Promise<HeadRow[]> => {
    const answer = Promise.withResolvers<HeadRow[]>()
    answers.push(answer)
    return answer.promise
  }
  await using feed = feedOver(clock, sql)
  const first = Promise.all([feed.readHeads(), feed.readHeads()])
  await Promise.resolve()
  await Promise.resolve()
  assert.equal(answers.length, 1)
  const second = feed.readHeads()
  await Promise.resolve()
  await Promise.resolve()
  assert.equal(answers.length, 2)
  answers[0]?.resolve([{ incarnation: 1, head: 20 }])
  answers[1]?.resolve([{ incarnation: 1, head: 21 }])
  assert.deepEqual(await first, [[20], [20]])
  assert.deepEqual(await second, [21])
})
