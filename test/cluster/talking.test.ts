/** Hosts join, drain and crash, and the bus goes away, while people talk: nobody loses anything and nobody notices more than a pause. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { startCluster } from '../support/cluster.ts'
import { troupe } from './command-line.ts'
import { seedOfRun, startCrowd } from './crowd.ts'
import { during, withOutput } from './faults.ts'
import { openBeside, shardsByHost } from './stored.ts'

/** How long the bus stays away, milliseconds. */
const busAwayMs = 10_000

test(
  'a host joins, one drains, one is killed and the bus goes away while people talk',
  { timeout: 90_000 },
  async (t) => {
    const seed = seedOfRun()
    t.diagnostic(`TEST_SEED=${seed}`)
    await using cluster = await startCluster({ gateways: 2, hosts: 2 })
    await using database = await openBeside(cluster.databaseUrl)
    const urls = cluster.gateways.map((gateway) => gateway.url)
    await using crowd = await startCrowd({ urls, database, seed, users: 8, rooms: 6, thinkMs: 150 })
    const owns = async (name: string, least: number): Promise<boolean> =>
      ((await shardsByHost(database)).get(name) ?? 0) >= least
    await withOutput(
      t,
      () => [...cluster.hosts, ...cluster.gateways],
      async () => {
        const [first, second] = cluster.hosts
        assert.ok(first !== undefined && second !== undefined)
        await during(t, crowd, 'nothing happens', () => Promise.resolve())

        await during(t, crowd, 'a third host joins', async () => {
          const third = await cluster.addHost()
          await crowd.until(
            () => owns(third.hostName, 16),
            15_000,
            () => 'the new host has less than sixteen shards',
          )
        })

        await during(t, crowd, 'one host drains and is stopped', async () => {
          await troupe(cluster.databaseUrl, 'drain', first.hostName)
          assert.ok(!(await owns(first.hostName, 1)), 'a drained host owns nothing')
          assert.equal(await first.stop(), 0)
        })

        await during(t, crowd, 'one host is killed', () => second.kill())

        await during(t, crowd, 'the bus is away for ten seconds', async () => {
          await cluster.nats.stop()
          await delay(busAwayMs)
          await cluster.nats.start()
        })

        await crowd.assertNothingWentWrong()
        t.diagnostic(`${crowd.acknowledged} messages were acknowledged`)
      },
    )
  },
)
