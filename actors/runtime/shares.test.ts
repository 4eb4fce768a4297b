/** Who gives up and who claims: on surveys written by hand, and for whatever cluster chance makes. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { HostCondition } from '#storage/cluster/leases.ts'
import type { Survey } from './cluster-store.ts'
import { movesAtOnce, planFor, sharesOf } from './shares.ts'

interface SurveyOptions {
  readonly shards?: number
  readonly draining?: readonly string[]
  /** Those that are not named state none. Absent: all state 1. */
  readonly weights?: Readonly<Record<string, number>>
  /** Those that are not named are able. */
  readonly conditions?: Readonly<Record<string, HostCondition | undefined>>
}

/** `owned`: how many shards each host owns, by name, beginning with shard 0; the rest is free. */
function survey(owned: Readonly<Record<string, number>>, options: SurveyOptions = {}): Survey {
  const { shards = 8, draining = [], weights, conditions = {} } = options
  const owners = Object.entries(owned).flatMap(([host, count]) => Array.from({ length: count }, () => host))
  return {
    shards: Array.from({ length: shards }, (_, shard) => {
      const owner = owners[shard]
      return { shard, epoch: 1, owner, alive: owner !== undefined }
    }),
    hosts: Object.keys(owned).map((hostId) => ({
      hostId,
      name: hostId,
      version: '1',
      roles: ['actors'],
      weight: weights === undefined ? 1 : weights[hostId],
      condition: hostId in conditions ? conditions[hostId] : 'able',
      draining: draining.includes(hostId),
    })),
  }
}

function shares(of: Survey): Record<string, number> {
  return Object.fromEntries(sharesOf(of))
}

test('a host that joins is given shards by those who have more than their share, a few at a time', () => {
  assert.equal(planFor(survey({ a: 8, b: 0 }), 'a', 0).giveUp, 4)
  assert.equal(planFor(survey({ a: 5, b: 3 }), 'a', 0).giveUp, 1)
})

test('those who have too much share the few moves of a time', () => {
  const three = survey({ a: 24, b: 24, c: 16, d: 0 }, { shards: 64 })
  assert.deepEqual(
    ['a', 'b', 'c', 'd'].map((host) => planFor(three, host, 0).giveUp),
    [2, 2, 0, 0],
  )
})

test('nothing moves between shares that differ by one, and nobody is restless about them', () => {
  for (const owned of [
    { a: 3, b: 3, c: 2 },
    { a: 2, b: 3, c: 3 },
  ]) {
    const plan = planFor(survey(owned), 'a', 0)
    assert.equal(plan.giveUp, 0)
    assert.equal(plan.restless, false)
  }
})

test('one shard moves where one host has two less than others, and then nobody is restless', () => {
  const before = survey({ a: 22, b: 22, c: 20 }, { shards: 64 })
  assert.deepEqual(
    ['a', 'b', 'c'].map((host) => planFor(before, host, 0).giveUp),
    [0, 1, 0],
  )
  assert.equal(planFor(before, 'c', 0).restless, true)
  assert.equal(planFor(survey({ a: 22, b: 21, c: 21 }, { shards: 64 }), 'c', 0).restless, false)
})

test('free shards are claimed up to the share, from the place that was given', () => {
  const plan = planFor(survey({ a: 0, b: 4 }), 'a', 1)
  assert.deepEqual(
    plan.claim.map(({ shard }) => shard),
    [5, 6, 7, 4],
  )
})

test('what is overdue is claimed beyond the share, but not by a host that drains', () => {
  const owned = { a: 3, b: 1 }
  const claimed = (host: string, options: SurveyOptions = {}): number[] =>
    planFor(survey(owned, options), host, 0, new Set([6, 7])).claim.map(({ shard }) => shard)
  assert.deepEqual(claimed('a'), [4, 6, 7])
  assert.deepEqual(claimed('b'), [4, 5, 6, 7].slice(0, 4))
  assert.deepEqual(claimed('a', { draining: ['a'] }), [])
})

test('nobody gives up a shard while one is free', () => {
  assert.equal(planFor(survey({ a: 6, b: 1 }), 'a', 0).giveUp, 0)
})

test('a host that the operator drains gives up everything, a few at a time', () => {
  assert.equal(planFor(survey({ a: 3, b: 3, c: 2 }, { draining: ['a'] }), 'a', 0).giveUp, 3)
  assert.equal(planFor(survey({ a: 8, b: 0 }, { draining: ['a'] }), 'a', 0).giveUp, 4)
  assert.equal(planFor(survey({ a: 1, b: 7 }, { draining: ['a'] }), 'a', 0).giveUp, 1)
})

test('a host that drains claims nothing', () => {
  assert.deepEqual(planFor(survey({ a: 2, b: 2 }, { draining: ['a'] }), 'a', 0).claim, [])
})

test('a host that drains keeps its shards while nobody could take them, and is at rest', () => {
  for (const all of [
    survey({ a: 8 }, { draining: ['a'] }),
    survey({ a: 4, b: 4 }, { draining: ['a', 'b'] }),
  ]) {
    const plan = planFor(all, 'a', 0)
    assert.equal(plan.giveUp, 0)
    assert.equal(plan.restless, false)
  }
})

test('a host that is cut off from the bus gives up everything, more at a time than one that drains', () => {
  const owned = survey({ a: 32, b: 32 }, { shards: 64, conditions: { a: 'cut off' } })
  assert.equal(planFor(owned, 'a', 0).giveUp, 16)
  assert.equal(planFor(owned, 'b', 0).giveUp, 0)
})

test('a host that is cut off, or has no connections for commits, has no share and claims nothing', () => {
  for (const condition of ['cut off', 'no connections'] as const) {
    const owned = survey({ a: 4, b: 4 }, { conditions: { a: condition } })
    assert.deepEqual(shares(owned), { b: 8 })
    assert.equal(planFor(owned, 'a', 0).giveUp, 4)
    assert.equal(planFor(owned, 'a', 0).restless, true)
    const free = survey({ a: 2, b: 4 }, { conditions: { a: condition } })
    assert.deepEqual(planFor(free, 'a', 0, new Set([6])).claim, [], 'it claims nothing, also what is overdue')
    assert.equal(planFor(free, 'b', 0).claim.length, 2)
  }
})

test('nothing moves while the bus is lost to all, however they put it', () => {
  for (const conditions of [
    { a: 'no bus', b: 'no bus' },
    { a: 'cut off', b: 'cut off' },
  ] as const) {
    const all = survey({ a: 4, b: 4 }, { conditions })
    assert.deepEqual(shares(all), { a: 4, b: 4 })
    assert.equal(planFor(all, 'a', 0).restless, false)
  }
  const gone = survey({ a: 0, b: 8 }, { conditions: { a: 'cut off', b: 'no bus' } })
  assert.deepEqual(planFor(gone, 'b', 0).giveUp, 0, 'what has been handed over stays there')
})

test('hosts that are cut off take what is left when nobody else lives, but not those without connections', () => {
  const left = survey({ a: 0, b: 0 }, { conditions: { a: 'cut off', b: 'no connections' } })
  assert.deepEqual(shares(left), { a: 8 })
  assert.equal(planFor(left, 'b', 0).claim.length, 0)
  assert.equal(sharesOf(survey({ b: 0 }, { conditions: { b: 'no connections' } })).size, 0)
})

test('a host that drains keeps its shards while the only other one is cut off', () => {
  const drained = survey({ a: 4, b: 4 }, { draining: ['a'], conditions: { b: 'cut off' } })
  assert.equal(planFor(drained, 'a', 0).giveUp, 0)
  assert.equal(planFor(drained, 'b', 0).giveUp, 0)
  assert.equal(planFor(drained, 'b', 0).restless, false)
})

test('conditions count only when every host states one', () => {
  const mixed = survey({ a: 4, b: 4 }, { conditions: { a: 'cut off', b: undefined } })
  assert.deepEqual(shares(mixed), { a: 4, b: 4 })
})

test('a host with twice the weight gets twice the shards', () => {
  const weights = { a: 1, b: 2, c: 1 }
  assert.deepEqual(shares(survey({ a: 3, b: 3, c: 2 }, { weights })), { a: 2, b: 4, c: 2 })
})

test('weights do not count while a host states none', () => {
  assert.deepEqual(shares(survey({ a: 4, b: 4 }, { weights: { b: 3 } })), { a: 4, b: 4 })
})

test('processes that own no shards have no share, and a host alone is told so', () => {
  const one = survey({ a: 8 })
  const gateway = { hostId: 'g', name: 'g', version: '1', roles: ['gateway'], draining: false }
  const plan = planFor({ ...one, hosts: [...one.hosts, gateway] }, 'a', 0)
  assert.equal(plan.lookers, 1)
  assert.equal(plan.restless, false)
})

/** A cluster as it goes on by its own plans. Host numbers are array indices; undefined: free. */
interface Placed {
  readonly weights: readonly number[]
  readonly draining: readonly boolean[]
  readonly owners: readonly (number | undefined)[]
}

const placed: fc.Arbitrary<Placed> = fc.integer({ min: 1, max: 9 }).chain((hosts) =>
  fc.record({
    weights: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: hosts, maxLength: hosts }),
    draining: fc.array(fc.boolean(), { minLength: hosts, maxLength: hosts }),
    owners: fc.array(fc.option(fc.nat({ max: hosts - 1 }), { nil: undefined, freq: 6 }), {
      minLength: 64,
      maxLength: 64,
    }),
  }),
)

function surveyOf({ weights, draining, owners }: Placed): Survey {
  return {
    shards: owners.map((owner, shard) => ({
      shard,
      epoch: 1,
      owner: owner === undefined ? undefined : `h${owner}`,
      alive: owner !== undefined,
    })),
    hosts: weights.map((weight, n) => ({
      hostId: `h${n}`,
      name: `h${n}`,
      version: '1',
      roles: ['actors'],
      weight,
      draining: draining[n] === true,
    })),
  }
}

interface Step {
  readonly next: Placed
  readonly claimed: number
  readonly givenUp: number
}

/** All hosts look at the same moment and act; of two who claim the same shard the first gets it. */
function step(before: Placed, seed: number): Step {
  const seen = surveyOf(before)
  const owners = [...before.owners]
  const moved = { claimed: 0, givenUp: 0 }
  for (const [host] of before.weights.entries()) {
    const plan = planFor(seen, `h${host}`, seed * (host + 1))
    for (const { shard } of plan.claim) {
      if (owners[shard] !== undefined) continue
      owners[shard] = host
      moved.claimed++
    }
    let left = plan.giveUp
    for (const [shard, owner] of before.owners.entries()) {
      if (owner !== host || left === 0) continue
      owners[shard] = undefined
      moved.givenUp++
      left--
    }
  }
  return { next: { ...before, owners }, ...moved }
}

test('from any ownership the shards come to lie as the weights say, with as few moves as can be, a few at a time', () => {
  fc.assert(
    fc.property(placed, fc.nat(), (start, seed) => {
      const members = start.draining.filter((draining) => !draining).length
      const total = start.weights.reduce((sum, weight, n) => sum + (start.draining[n] ? 0 : weight), 0)
      const counted = (at: Placed, host: number): number => at.owners.filter((owner) => owner === host).length
      // What is above the rounded-up part of a host must go; of those rounded up there are only so many.
      const goal = sharesOf(surveyOf(start))
      const needed = start.weights
        .map((_, host) => Math.max(0, counted(start, host) - (goal.get(`h${host}`) ?? 0)))
        .reduce((sum, count) => sum + count, 0)
      let at = start
      let givenUp = 0
      let steps = 0
      while (members > 0 && planFor(surveyOf(at), 'h0', 0).restless) {
        const done = step(at, seed + steps)
        assert.ok(done.givenUp <= movesAtOnce, `${done.givenUp} shards on their way at once`)
        givenUp += done.givenUp
        at = done.next
        assert.ok(++steps < 200, 'it does not come to rest')
      }
      if (members === 0) return
      for (const [host, weight] of start.weights.entries()) {
        const ideal = start.draining[host] ? 0 : (64 * weight) / total
        const difference = Math.abs(counted(at, host) - ideal)
        assert.ok(difference < 1, `h${host} has ${counted(at, host)} shards instead of ${ideal}`)
      }
      assert.ok(givenUp <= needed, `${givenUp} moves where ${needed} were needed`)
      assert.deepEqual(step(at, seed).next, at, 'nothing moves any more')
    }),
    { numRuns: 150 },
  )
})

test('no choice of whom to round up would move fewer shards', () => {
  fc.assert(
    fc.property(placed, (start) => {
      const members = start.weights.flatMap((weight, n) => (start.draining[n] ? [] : [{ weight, n }]))
      if (members.length === 0) return
      const owned = (n: number): number => start.owners.filter((owner) => owner === n).length
      const total = members.reduce((sum, { weight }) => sum + weight, 0)
      const floors = members.map(({ weight }) => Math.floor((64 * weight) / total))
      const left = 64 - floors.reduce((sum, floor) => sum + floor, 0)
      const canRoundUp = members.map(({ weight }) => (64 * weight) % total !== 0)
      const goal = sharesOf(surveyOf(start))
      const moves = members.reduce((sum, { n }) => sum + Math.max(0, owned(n) - (goal.get(`h${n}`) ?? 0)), 0)
      let fewest = Infinity
      for (let choice = 0; choice < 2 ** members.length; choice++) {
        const ups = members.map((_, i) => (choice >> i) & 1)
        const isAllowed = ups.every((up, i) => up === 0 || canRoundUp[i])
        if (!isAllowed || ups.reduce((sum, up) => sum + up, 0) !== left) continue
        const cost = members.reduce(
          (sum, { n }, i) => sum + Math.max(0, owned(n) - (floors[i] ?? 0) - (ups[i] ?? 0)),
          0,
        )
        fewest = Math.min(fewest, cost)
      }
      assert.equal(moves, fewest)
    }),
    { numRuns: 200 },
  )
})
