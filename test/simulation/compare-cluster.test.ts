/**
 * The models of leases, claims and incarnations are held against a real Postgres: the same steps get the same answers, and leave the same
 * owners, epochs, heads, living and dead. Time is the model's; the real database is told of it by leases that are moved. Not compared are
 * statements that run beside each other, and the first seconds of a server, in which a free lock says nothing.
 */

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { leastEpoch } from '#storage/cluster/incarnation.ts'
import { testDatabase, type TestDatabase } from '#test/support/postgres.ts'
import { randomOf } from './random.ts'
import { ClusterScript, happenings, type Picture } from './compare-cluster-script.ts'
import { modelSide, realSide } from './compare-cluster-sides.ts'
import { ComparedCluster, type Look } from './compare-cluster.ts'

const shardCount = 6
const steps = 40
/** How many of them. */
const scripts = Math.max(20, Number(process.env['SIMULATE_COMPARE'] ?? 0))
const limit = { timeout: 60_000 }
/** Later than what any clock says here, so that both databases raise it by one. */
const beginning = 4_000_000_000

/** What scripts must come across, or they compare too little. */
const expected = [
  'renew: true',
  'renew: false',
  'renew again: true',
  'renew again: false',
  'drain: true',
  'drain: false',
  'release: true',
  'release: false',
  'bears out: true',
  'bears out: false',
  'check: true',
  'check: false',
  'claim: free: taken',
  "claim: its owner's lease is over: taken",
  'claim: its owner has no session: taken',
  'claim: its owner lives: refused',
  'claim: seen long ago: refused',
  'claim: it drains: refused',
  'claim: its lease is over: refused',
  'lose',
  'leave',
  'forget others',
  'forget dead: true',
  'forget dead: false',
  'raise',
]

function scriptOf(seed: number): ClusterScript {
  return new ClusterScript(randomOf(seed, 6))
}

/** Leases end at the same time, but for what has passed by itself since the real ones were set right. */
function compareLeases(model: Look, real: Look, passedMs: number): void {
  for (const [hostId, renewedMsAgo] of model.renewedMsAgo) {
    const moreMs = (real.renewedMsAgo.get(hostId) ?? Number.NaN) - renewedMsAgo
    assert.ok(moreMs >= -1 && moreMs <= passedMs + 1, `host ${hostId}: ${moreMs} ms, of ${passedMs} ms`)
  }
}

describe('the model of leases and claims', () => {
  let own: TestDatabase
  before(async () => {
    own = await testDatabase({ shardCount })
  }, limit)
  after(() => own[Symbol.asyncDispose]())

  for (let seed = 1; seed <= scripts; seed++) {
    it(`does as Postgres does, script ${seed}`, limit, async () => {
      const sides = { real: await realSide(own.database), model: await modelSide(shardCount) }
      for (const side of Object.values(sides)) await side.begin(beginning)
      await using real = new ComparedCluster(sides.real)
      await using model = new ComparedCluster(sides.model)
      const script = scriptOf(seed)
      let { picture } = await model.look()
      let setAtMs = performance.now()
      for (let n = 0; n < steps; n++) {
        const step = script.next(picture)
        const where = `step ${n}: ${JSON.stringify(step)}`
        const answer = await real.carryOut(step)
        assert.deepEqual(await model.carryOut(step), answer, where)
        const [mine, theirs] = [await model.look(), await real.look()]
        assert.deepEqual(mine.picture, theirs.picture, where)
        compareLeases(mine, theirs, performance.now() - setAtMs)
        setAtMs = performance.now()
        await sides.real.setRenewals(mine.renewedMsAgo)
        picture = mine.picture
      }
    })
  }

  it('is compared in everything that can happen to a claim, and in both answers to every question', async () => {
    const found = new Set<string>()
    for (let seed = 1; seed <= scripts; seed++) {
      const model = new ComparedCluster(await modelSide(shardCount))
      const script = scriptOf(seed)
      let { picture } = await model.look()
      for (let n = 0; n < steps; n++) {
        const step = script.next(picture)
        const answer = await model.carryOut(step)
        const next = (await model.look()).picture
        for (const what of happenings(step, answer, { before: picture, after: next })) found.add(what)
        picture = next
      }
    }
    assert.deepEqual(
      expected.filter((what) => !found.has(what)),
      [],
    )
  })

  it('takes the second in which an incarnation begins for its number, as Postgres does', limit, async () => {
    const [row] = await own.database.control.sql<{ nowMs: number }[]>`
      select (extract(epoch from clock_timestamp()) * 1000)::bigint as "nowMs"`
    const pictures: Picture[] = []
    for (const side of [await realSide(own.database), await modelSide(shardCount, row?.nowMs)]) {
      await side.begin(1)
      await using cluster = new ComparedCluster(side)
      await cluster.carryOut({ kind: 'raise' })
      pictures.push((await cluster.look()).picture)
    }
    const [real, model] = pictures
    assert.ok(real !== undefined && model !== undefined)
    const laterS = real.incarnation - model.incarnation
    assert.ok(laterS >= 0 && laterS <= 10, `${real.incarnation} and ${model.incarnation}`)
    for (const { incarnation, shards } of [real, model])
      assert.ok(shards.every(({ epoch }) => epoch === leastEpoch(incarnation)))
  })
})
