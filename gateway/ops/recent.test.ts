import assert from 'node:assert/strict'
import { test } from 'node:test'
import { reportBackground, reportCommit, reportShard } from '#actors/runtime/events.ts'
import { ManualClock } from '#test/support/manual-clock.ts'
import { Recent } from './recent.ts'

test('commits of the last minute are summed up', () => {
  const clock = new ManualClock()
  using recent = new Recent(clock)
  assert.deepEqual(recent.commits(), {
    count: 0,
    spanMs: 0,
    rows: 0,
    failed: 0,
    p50Ms: 0,
    p99Ms: 0,
    maxMs: 0,
  })
  reportCommit({ rows: 100, shards: 1, ms: 9000, result: 'committed' })
  clock.pause(60_001)
  for (let ms = 1; ms <= 100; ms++) reportCommit({ rows: 2, shards: 1, ms, result: 'committed' })
  reportCommit({ rows: 5, shards: 1, ms: 200, result: 'fenced' })
  clock.pause(1500)
  assert.deepEqual(recent.commits(), {
    count: 101,
    spanMs: 1500,
    rows: 200,
    failed: 1,
    p50Ms: 51,
    p99Ms: 100,
    maxMs: 200,
  })
})

test('failures are counted by kind, the latest first, for an hour, without what they quote', () => {
  const clock = new ManualClock()
  using recent = new Recent(clock)
  const refused = Object.assign(new Error('value "secret" is wrong'), { name: 'PostgresError' })
  reportCommit({ rows: 1, shards: 1, ms: 1, result: 'weather', error: refused })
  reportCommit({ rows: 1, shards: 1, ms: 1, result: 'weather', error: refused })
  clock.pause(1000)
  reportBackground({ kind: 'runtime', name: 'sweep', what: 'failed', error: new Error('no') })
  reportBackground({ kind: 'runtime', name: 'sweep', what: 'ended' })
  assert.deepEqual(recent.failures(), [
    { what: 'background work sweep: no', count: 1, lastAtMs: clock.now() },
    { what: 'commit: weather: value "…" is wrong', count: 2, lastAtMs: clock.now() - 1000 },
  ])
  clock.pause(60 * 60_000 - 500)
  assert.equal(recent.failures().length, 1)
})

test('however many kinds of failure there are, the latest twenty are kept', () => {
  const clock = new ManualClock()
  using recent = new Recent(clock)
  for (let number = 0; number < 50; number++) {
    reportShard({ shard: -1, epoch: 0, what: 'error', error: new Error(`failure ${number}`) })
  }
  const failures = recent.failures()
  assert.equal(failures.length, 20)
  assert.equal(failures[0]?.what, 'cluster: failure 49')
})
