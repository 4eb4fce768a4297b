/** Three NATS nodes under the repository's `nats.conf`, with TLS and routes: one after another dies and comes back while people talk. */

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { natsPasswords, startNatsNodes, type NatsUser } from '../support/nats-nodes.ts'
import { testDatabase } from '../support/postgres.ts'
import { startTroupe } from '../support/process.ts'
import { seedOfRun, startCrowd } from './crowd.ts'
import { during, withOutput } from './faults.ts'
import { openBeside, shardsByHost } from './stored.ts'

test(
  'each NATS node in turn dies and the others take its processes while people talk, under nats.conf',
  { timeout: 90_000 },
  async (t) => {
    const seed = seedOfRun()
    t.diagnostic(`TEST_SEED=${seed}`)
    await using stack = new AsyncDisposableStack()
    const dataDir = await mkdtemp(join(tmpdir(), 'troupe-nats-nodes-'))
    stack.defer(() => rm(dataDir, { recursive: true, force: true }))
    const database = stack.use(await testDatabase({ initialised: false }))
    const nats = stack.use(await startNatsNodes(3))
    const start = (hostName: string, user: NatsUser, ...nodes: number[]) =>
      startTroupe({
        hostName,
        env: {
          DATABASE_URL: database.url,
          NATS_URL: nats.url(user, ...nodes),
          TROUPE_NATS_CA: nats.ca,
          TROUPE_DATA_DIR: dataDir,
          TROUPE_ROLES: user,
        },
      })
    // Whoever is on the node that dies finds another one in its NATS_URL.
    const hosts = [
      stack.use(await start('actors-1', 'actors', 0, 1)),
      stack.use(await start('actors-2', 'actors', 0, 2)),
    ]
    const gateway = stack.use(await start('gateway-1', 'gateway', 0, 1, 2))
    const beside = stack.use(await openBeside(database.url))
    await using crowd = await startCrowd({
      urls: [gateway.url],
      database: beside,
      seed,
      users: 6,
      rooms: 4,
      thinkMs: 150,
    })
    await withOutput(
      t,
      () => [...hosts, gateway],
      async () => {
        assert.equal((await shardsByHost(beside)).size, 2)
        await during(t, crowd, 'nothing happens', () => Promise.resolve())
        // Each in turn, so that every process certainly loses its node once.
        for (const [index, node] of nats.nodes.entries()) {
          await during(t, crowd, `node ${index + 1} is killed`, () => node.kill())
          await during(t, crowd, `node ${index + 1} comes back`, () => node.start())
        }
        await crowd.assertNothingWentWrong()
        assert.equal((await shardsByHost(beside)).size, 2, 'both hosts are members still')
        for (const process of [...hosts, gateway]) {
          for (const password of Object.values(natsPasswords)) assert.ok(!process.output().includes(password))
        }
        t.diagnostic(`${crowd.acknowledged} messages were acknowledged`)
      },
    )
  },
)
