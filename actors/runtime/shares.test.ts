/** Who gives up and who claims, on surveys written by hand. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Survey } from './cluster-store.ts'
import { planFor } from './shares.ts'

/** A cluster of eight shards. `owned`: how many each host owns, by name, beginning with shard 0; the rest is free. */
function survey(owned: Readonly<Record<string, number>>, draining: readonly string[] = []): Survey {
  const owners = Object.entries(owned).flatMap(([host, count]) => Array.from({ length: count }, () => host))
  return {
    shards: Array.from({ length: 8 }, (_, shard) => {
      const owner = owners[shard]
      return { shard, epoch: 1, owner, alive: owner !== undefined }
    }),
    hosts: Object.keys(owned).map((hostId) => ({
      hostId,
      name: hostId,
      version: '1',
      roles: ['actors'],
      draining: draining.includes(hostId),
    })),
  }
}

test('a host that joins is given shards by those who have more than their share, a few at a time', () => {
  const plan = planFor(survey({ a: 8, b: 0 }), 'a', 0)
  assert.equal(plan.giveUp, 4)
  assert.equal(planFor(survey({ a: 5, b: 3 }), 'a', 0).giveUp, 1)
})

test('nothing moves between shares that differ by one', () => {
  assert.equal(planFor(survey({ a: 3, b: 3, c: 2 }), 'a', 0).giveUp, 0)
})

test('free shards are claimed up to the share, from the place that was given', () => {
  const plan = planFor(survey({ a: 0, b: 4 }), 'a', 1)
  assert.deepEqual(
    plan.claim.map(({ shard }) => shard),
    [5, 6, 7, 4],
  )
})

test('a host that the operator drains gives up everything, also what is within its share', () => {
  assert.equal(planFor(survey({ a: 3, b: 3, c: 2 }, ['a']), 'a', 0).giveUp, 3)
  assert.equal(planFor(survey({ a: 8, b: 0 }, ['a']), 'a', 0).giveUp, 4)
  assert.equal(planFor(survey({ a: 1, b: 7 }, ['a']), 'a', 0).giveUp, 1)
})

test('a host that drains claims nothing', () => {
  assert.deepEqual(planFor(survey({ a: 2, b: 2 }, ['a']), 'a', 0).claim, [])
})

test('a host that drains keeps its shards while nobody could take them', () => {
  assert.equal(planFor(survey({ a: 8 }, ['a']), 'a', 0).giveUp, 0)
  assert.equal(planFor(survey({ a: 4, b: 4 }, ['a', 'b']), 'a', 0).giveUp, 0)
})
