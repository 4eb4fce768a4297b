/** The model of a large cluster counts what it says that it counts. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { placement, simulate } from './model.ts'
import { drawPopulation } from './model-population.ts'

const population = drawPopulation({ users: 2000, messages: 400, seed: 1 })

test('hosts that come one by one end with even shares', () => {
  for (const hosts of [1, 2, 3, 16, 64]) {
    const owners = placement(hosts)
    const counts = Array.from({ length: hosts }, (_, host) => owners.filter((owner) => owner === host).length)
    assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, `${hosts} hosts have ${counts.join()}`)
  }
})

test('a population is the same again from the same seed', () => {
  assert.deepEqual(drawPopulation({ users: 2000, messages: 400, seed: 1 }), population)
})

test('one host sends nothing to others, and delivers to everybody who waits', async () => {
  const { sent, perHost, events } = await simulate(population, 1)
  assert.equal(sent, 0)
  assert.equal(events, population.events.length)
  const deliveries = population.events.reduce((sum, { room }) => sum + room.waiting.length, 0)
  assert.equal(perHost[0]?.deliveries, deliveries)
})

test('an event goes once to each other host on which somebody waits for it', async () => {
  for (const hosts of [2, 16]) {
    const owners = placement(hosts)
    const expected = population.events.reduce((sum, { room }) => {
      const followers = new Set(Array.from(room.waiting, (shard) => owners[shard]))
      followers.delete(owners[room.shard])
      return sum + followers.size
    }, 0)
    const { sent, perHost } = await simulate(population, hosts)
    assert.equal(sent, expected)
    assert.equal(
      perHost.reduce((sum, host) => sum + host.received, 0),
      expected,
    )
    assert.equal(
      perHost.reduce((sum, host) => sum + host.sent, 0),
      expected,
    )
  }
})
