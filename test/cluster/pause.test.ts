/** A host that stands still for longer than its lease: others take over, and what it wakes up with is worth nothing. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { leaseMs } from '#storage/cluster/leases.ts'
import { startCluster } from '../support/cluster.ts'
import { seedOfRun, startCrowd } from './crowd.ts'
import { during, withOutput } from './faults.ts'
import { openBeside, shardsByHost } from './stored.ts'

/** How long the host stands still, milliseconds. */
const pausedMs = leaseMs + 3000

test(
  'a paused host loses its shards, writes nothing afterwards, and becomes useful again by itself',
  { timeout: 90_000 },
  async (t) => {
    const seed = seedOfRun()
    t.diagnostic(`TEST_SEED=${seed}`)
    await using cluster = await startCluster({ gateways: 1, hosts: 2 })
    await using database = await openBeside(cluster.databaseUrl)
    const urls = cluster.gateways.map((gateway) => gateway.url)
    await using crowd = await startCrowd({ urls, database, seed, users: 6, rooms: 6, thinkMs: 80 })
    const shardsOf = async (name: string): Promise<number> => (await shardsByHost(database)).get(name) ?? 0
    await withOutput(
      t,
      () => [...cluster.hosts, ...cluster.gateways],
      async () => {
        const [paused, other] = cluster.hosts
        assert.ok(paused !== undefined && other !== undefined)
        await crowd.until(
          async () => (await shardsOf(paused.hostName)) >= 16 && (await shardsOf(other.hostName)) >= 16,
          15_000,
          () => 'the hosts do not share the shards',
        )

        await during(t, crowd, 'one host stands still', async () => {
          paused.signal('SIGSTOP')
          await delay(pausedMs)
          assert.equal(await shardsOf(other.hostName), 64, 'the other host has taken over everything')
        })

        await during(t, crowd, 'it goes on', async () => {
          paused.signal('SIGCONT')
          const beganMs = performance.now()
          await crowd.until(
            async () => (await shardsOf(paused.hostName)) >= 16,
            15_000,
            () => 'the host that was paused has less than sixteen shards',
          )
          const tookMs = performance.now() - beganMs
          t.diagnostic(`useful again ${tookMs.toFixed(0)} ms after it went on`)
        })

        await crowd.assertNothingWentWrong()
        t.diagnostic(`${crowd.acknowledged} messages were acknowledged`)
      },
    )
  },
)
