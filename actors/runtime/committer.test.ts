import assert from 'node:assert/strict'
import { test } from 'node:test'

import { ShardWrites } from '#storage/shard-writes.ts'
import type { LogRow } from '#storage/writes.ts'
import { ManualClock, seededRandom, settle } from '#test/support/manual-clock.ts'
import { ModelStore } from '#test/support/model-store.ts'
import type { CommittedBatch } from './committed.ts'
import { Committer } from './committer.ts'
import { ContentRefused, Discarded, Fenced, SeenTransaction, type CommitFailed } from './failures.ts'
import { Lane } from './lane.ts'

interface Decided {
  readonly note: string
  outcome?: 'durable' | CommitFailed
}

function setUp() {
  const store = new ModelStore()
  const clock = new ManualClock()
  const batches: CommittedBatch[] = []
  const lost: number[] = []
  const behind: number[] = []
  const settled: string[] = []
  const committer = new Committer({
    store,
    clock,
    random: seededRandom(1),
    onCommitted: (batch) => void batches.push(batch),
    onLost: (lane) => void lost.push(lane.shard),
    onBehind: (lanes) => void behind.push(...lanes.map((lane) => lane.shard)),
  })
  const lane = (shard: number): Lane => new Lane(shard, store.claim(shard), store.headOf(shard))
  const decide = (at: Lane, actor: object, rows: readonly Partial<LogRow>[]): Decided => {
    const writes = new ShardWrites(at.shard)
    for (const row of rows) writes.append({ kind: 'accountData', ...row })
    const decided: Decided = { note: rows[0]?.body ?? '' }
    committer.submit({
      lane: at,
      actor,
      writes,
      entries: rows.map(() => undefined),
      settle: (failure) => {
        assert.equal(decided.outcome, undefined, 'settled twice')
        decided.outcome = failure ?? 'durable'
        settled.push(decided.note)
      },
    })
    return decided
  }
  return { store, clock, committer, batches, lost, behind, settled, lane, decide }
}

const bodies = (store: ModelStore, shard: number): unknown[] => store.log(shard).map(({ row }) => row.body)

test('what is decided while a call is in flight goes together into the next one', async () => {
  const { store, lane, decide, settled, batches } = setUp()
  const gate = Promise.withResolvers<void>()
  store.fault({ until: gate.promise })
  const [a, b] = [lane(1), lane(2)]
  decide(a, {}, [{ body: 'first' }])
  await settle()
  decide(b, {}, [{ body: 'second' }])
  decide(a, {}, [{ body: 'third' }, { body: 'fourth' }])
  gate.resolve()
  await settle()
  assert.equal(store.calls.length, 2)
  assert.deepEqual(
    store.calls[1]?.map((group) => group.shard),
    [1, 2],
  )
  assert.deepEqual(bodies(store, 1), ['first', 'third', 'fourth'])
  assert.equal(settled.length, 3)
  assert.deepEqual(
    batches.map(({ shard, prev, to }) => [shard, prev, to]),
    [
      [1, 0, 1],
      [1, 1, 3],
      [2, 0, 1],
    ],
  )
})

test('a group holds at most 500 log rows', async () => {
  const { store, lane, decide } = setUp()
  const a = lane(1)
  for (let i = 0; i < 6; i++)
    decide(
      a,
      {},
      Array.from({ length: 200 }, () => ({})),
    )
  await settle()
  assert.deepEqual(
    store.calls.map((groups) => groups[0]?.writes.length),
    [2, 2, 2],
  )
  assert.equal(store.headOf(1), 1200)
})

test('a fenced shard is dropped with all that waits, and the others go on', async () => {
  const { store, lane, decide, lost } = setUp()
  const [a, b] = [lane(1), lane(2)]
  const first = decide(a, {}, [{ body: 'a' }])
  const other = decide(b, {}, [{ body: 'b' }])
  store.claim(1)
  await settle()
  assert.ok(first.outcome instanceof Fenced)
  assert.equal(other.outcome, 'durable')
  assert.deepEqual(lost, [1])
  assert.ok(decide(a, {}, [{}]).outcome instanceof Fenced)
  assert.equal(store.headOf(1), 0)
})

test('a call whose answer was lost is sent again unchanged and counts once', async () => {
  const { store, clock, lane, decide } = setUp()
  const a = lane(1)
  const actor = {}
  store.fault('lost-answer')
  const first = decide(a, actor, [{ body: 'one' }])
  await settle()
  const second = decide(a, actor, [{ body: 'two' }])
  await clock.advance(2000)
  assert.equal(first.outcome, 'durable')
  assert.equal(second.outcome, 'durable')
  assert.deepEqual(bodies(store, 1), ['one', 'two'])
  assert.deepEqual(store.calls[0]?.[0]?.writes, store.calls[1]?.[0]?.writes)
})

test('a lost answer, then a shard fenced: the rest of that very group is recognised', async () => {
  const { store, clock, lane, decide } = setUp()
  const [a, b] = [lane(1), lane(2)]
  store.fault('lost-answer')
  const mine = decide(a, {}, [{ body: 'a' }])
  const kept = decide(b, {}, [{ body: 'b' }])
  await settle()
  store.claim(1)
  await clock.advance(2000)
  assert.ok(mine.outcome instanceof Fenced)
  assert.equal(kept.outcome, 'durable')
  assert.deepEqual(bodies(store, 2), ['b'])
})

test('bad weather is waited out', async () => {
  const { store, clock, lane, decide } = setUp()
  store.fault('weather', 'weather', 'weather')
  const one = decide(lane(1), {}, [{}])
  await settle()
  assert.equal(one.outcome, undefined)
  await clock.advance(1000)
  assert.equal(one.outcome, 'durable')
  assert.equal(store.calls.length, 4)
})

test('closing a lane during bad weather fails its decisions at once', async () => {
  const { store, clock, committer, lane, decide, lost } = setUp()
  const [a, b] = [lane(1), lane(2)]
  store.fault('weather')
  const gone = decide(a, {}, [{}])
  const waits = decide(b, {}, [{ body: 'b' }])
  await settle()
  committer.close(a, 'the lease is over')
  assert.ok(gone.outcome instanceof Fenced)
  await a.idle()
  await clock.advance(1000)
  assert.equal(waits.outcome, 'durable')
  assert.equal(store.headOf(1), 0)
  assert.deepEqual(lost, [])
})

test('one refused decision takes the later ones of its actor along, and nothing else', async () => {
  const { store, lane, decide, lost } = setUp()
  store.poisoned = (row) => row.body === 'poison'
  const [a, b] = [lane(1), lane(2)]
  const [good, bad] = [{}, {}]
  const before = decide(a, bad, [{ body: 'before' }])
  const all = [decide(a, good, [{ body: 'g1' }]), decide(b, {}, [{ body: 'g2' }])]
  const culprit = decide(a, bad, [{ body: 'poison' }])
  const after = decide(a, bad, [{ body: 'after' }])
  all.push(decide(a, good, [{ body: 'g3' }]), decide(b, {}, [{ body: 'g4' }]))
  await settle()
  assert.deepEqual(
    all.map((one) => one.outcome),
    ['durable', 'durable', 'durable', 'durable'],
  )
  assert.equal(before.outcome, 'durable')
  assert.ok(culprit.outcome instanceof ContentRefused)
  assert.ok(after.outcome instanceof Discarded)
  assert.deepEqual(new Set(bodies(store, 1)), new Set(['before', 'g1', 'g3']))
  assert.deepEqual(lost, [])
})

test('a shard whose every decision is refused is given up', async () => {
  const { store, lane, decide, lost } = setUp()
  store.poisoned = () => true
  const a = lane(1)
  const decided = [decide(a, {}, [{}]), decide(a, {}, [{}]), decide(a, {}, [{}]), decide(a, {}, [{}])]
  await settle()
  assert.deepEqual(lost, [1])
  assert.equal(decided.filter((one) => one.outcome instanceof ContentRefused).length, 3)
  assert.equal(decided.filter((one) => one.outcome instanceof Fenced).length, 1)
})

test('a transaction that was seen fails with its key, the later ones of its actor with it, others commit', async () => {
  const { store, lane, decide } = setUp()
  const a = lane(1)
  decide(a, {}, [{ txnKey: 'k', body: 'done' }])
  await settle()
  const actor = {}
  const other = decide(a, {}, [{ body: 'other' }])
  const again = decide(a, actor, [{ txnKey: 'k' }])
  const later = decide(a, actor, [{}])
  await settle()
  assert.ok(again.outcome instanceof SeenTransaction)
  assert.deepEqual(again.outcome.txnKeys, ['k'])
  assert.ok(later.outcome instanceof Discarded)
  assert.equal(other.outcome, 'durable')
  assert.deepEqual(bodies(store, 1), ['done', 'other'])
})

test('a database that has lost commits is reported, and its shard goes no further', async () => {
  const { store, lane, decide, behind } = setUp()
  const a = lane(1)
  decide(a, {}, [{}, {}])
  await settle()
  store.loseCommits(1, 1)
  const next = decide(a, {}, [{}])
  await settle()
  assert.ok(next.outcome instanceof Fenced)
  assert.deepEqual(behind, [1])
  assert.equal(store.headOf(1), 1)
})
