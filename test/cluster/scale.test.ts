/** From one host to eight and back to one while people talk. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { listMoves } from '#storage/cluster/moves.ts'
import { startCluster } from '../support/cluster.ts'
import { seedOfRun, startCrowd } from './crowd.ts'
import { recoveryMs, withOutput } from './faults.ts'
import { openBeside, shardsByHost } from './stored.ts'

const hostsAtMost = 8
const shards = 64
const settleMs = 20_000

/** Moves that are needed when hosts come one by one: each takes its share, and no shard goes between others. */
function movesNeeded(): number {
  let moves = 0
  for (let hosts = 2; hosts <= hostsAtMost; hosts++) moves += Math.ceil(shards / hosts)
  return moves
}

test(
  'a cluster grows from one host to eight and shrinks to one again under load, and no request fails',
  { timeout: 120_000 },
  async (t) => {
    const seed = seedOfRun()
    t.diagnostic(`TEST_SEED=${seed}`)
    await using cluster = await startCluster({ gateways: 1, hosts: 1 })
    await using database = await openBeside(cluster.databaseUrl)
    const urls = cluster.gateways.map((gateway) => gateway.url)
    await using crowd = await startCrowd({ urls, database, seed, users: 6, rooms: 8, thinkMs: 200 })
    const settled = async (hosts: number): Promise<void> => {
      const counts = async (): Promise<number[]> => [...(await shardsByHost(database)).values()]
      const isEven = (owned: readonly number[]): boolean =>
        owned.length === hosts && owned.every((count) => Math.abs(count - shards / hosts) < 1)
      const complaint = (): string => `the shares of ${hosts} hosts are not even`
      await crowd.until(async () => isEven(await counts()), settleMs, complaint)
    }
    await withOutput(
      t,
      () => [...cluster.hosts, ...cluster.gateways],
      async () => {
        const beganMs = performance.now()
        const movesBefore = (await listMoves(database.reads, 10_000)).length
        for (let hosts = 2; hosts <= hostsAtMost; hosts++) {
          await cluster.addHost()
          await settled(hosts)
        }
        const moves = (await listMoves(database.reads, 10_000)).length - movesBefore
        const grownMs = performance.now()
        t.diagnostic(
          `eight hosts after ${(grownMs - beganMs).toFixed(0)} ms; ${moves} moves, ${movesNeeded()} were needed`,
        )
        assert.ok(moves <= movesNeeded(), `${moves} moves where ${movesNeeded()} were needed`)
        await crowd.everybodyIsServed(recoveryMs)
        for (const host of cluster.hosts.slice(1).toReversed()) assert.equal(await host.stop(), 0)
        await settled(1)
        await crowd.everybodyIsServed(recoveryMs)
        t.diagnostic(
          `one host after another ${(performance.now() - grownMs).toFixed(0)} ms; ` +
            `longest wait ${crowd.longestWaitMs(beganMs).toFixed(0)} ms`,
        )
        assert.deepEqual(crowd.failuresSince(beganMs), [])
        await crowd.assertNothingWentWrong()
        t.diagnostic(`${crowd.acknowledged} messages were acknowledged`)
      },
    )
  },
)
