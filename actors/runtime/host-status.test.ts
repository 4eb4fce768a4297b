import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { MemoryBus } from '../bus/memory.ts'
import { statusSubject } from '../bus/subjects.ts'
import { systemClock } from './clock.ts'
import { FeedHooks } from './feed-hooks.ts'
import { askHostStatus, type HostStatus, HostStatusServer } from './host-status.ts'

const status: HostStatus = {
  name: 'one',
  version: '1',
  uptimeMs: 5,
  memoryBytes: 6,
  commits: { count: 1, spanMs: 2, rows: 3, failed: 0, p50Ms: 1.5, p99Ms: 2, maxMs: 2 },
  failures: [{ what: 'commit: weather', count: 2, lastAtMs: 7 }],
  shards: [
    {
      shard: 3,
      epoch: 4,
      state: 'serving',
      position: 9,
      activations: 2,
      waiting: 1,
      uncommitted: 0,
      followers: 1,
    },
  ],
}

test('a host answers under the id that it has at present, and under no other', async () => {
  await using bus = new MemoryBus(systemClock)
  const hooks = new FeedHooks()
  const server = new HostStatusServer({ bus, hooks, read: () => status })
  hooks.host('11')
  assert.deepEqual(await askUntilAnswered(bus, '11'), status)
  hooks.host('12')
  assert.deepEqual(await askUntilAnswered(bus, '12'), status)
  assert.equal(await askHostStatus(bus, '11', 1000), undefined)
  server[Symbol.dispose]()
  await nextTurn()
  assert.equal(await askHostStatus(bus, '12', 1000), undefined)
})

test('an answer that this version does not understand counts as none', async () => {
  await using bus = new MemoryBus(systemClock)
  const { shards: _shards, ...without } = status
  const answers: object[] = [{}, without, { ...status, commits: {} }, { ...status, failures: [{ what: 1 }] }]
  for (const [index, answer] of answers.entries()) {
    // The cast is what a foreign version may do.
    await bus.serve(statusSubject(String(index)), async () => ({ head: answer as never }))
    assert.equal(await askHostStatus(bus, String(index), 1000), undefined, JSON.stringify(answer))
  }
})

/** Serving begins in the turns after the host has its id. */
async function askUntilAnswered(bus: MemoryBus, hostId: string): Promise<HostStatus | undefined> {
  for (let turn = 0; turn < 100; turn++) {
    const answer = await askHostStatus(bus, hostId, 1000)
    if (answer !== undefined) return answer
  }
  return undefined
}
