/** Two versions side by side: what the older one does not understand is not asked of anybody. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '#test/support/manual-clock.ts'
import { askCounter, ModelWorld } from '#test/support/model-host.ts'
import { ActorClient } from './asker.ts'
import { Directory } from './directory.ts'
import { compareVersions } from './kind-versions.ts'

test('versions are compared by number, part by part', () => {
  const sorted = ['0.10.0', '0.2.0', '1.0.0', '0.2', '0.2.1'].toSorted(compareVersions)
  assert.deepEqual(sorted, ['0.2.0', '0.2', '0.2.1', '0.10.0', '1.0.0'])
  assert.equal(compareVersions('0.2.0', '0.2'), 0)
})

test('a new kind of message is asked only when every owner of shards understands it', async () => {
  const world = new ModelWorld()
  const older = await world.start({ version: '0.1.0' })
  await world.start({ version: '0.2.0' })
  await world.clock.advance(3000)
  const { bus, clock, shardCount } = world
  const directory = new Directory({ shardCount, clock, source: async () => world.cluster.states() })
  const kindsSince = { 'room.add': '0.2.0' }
  const asker = new ActorClient({ bus, clock, random: seededRandom(5), directory, kindsSince })
  await directory.read()
  const add = { kind: 'add', body: { by: 1 } } as const
  const keys = Array.from({ length: 16 }, (_, n) => `k${n}`)
  for (const key of keys) {
    await assert.rejects(askCounter({ asker }, key, add), { errcode: 'M_UNKNOWN', status: 503 })
    // What the older version understands goes on.
    assert.deepEqual(await askCounter({ asker }, key, { kind: 'read', body: {} }), { sum: 0 })
  }
  const drained = older.host.drain()
  await clock.advance(5000)
  await drained
  await directory.read()
  for (const key of keys) assert.deepEqual(await askCounter({ asker }, key, add), { sum: 1 })
})
