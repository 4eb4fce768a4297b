/**
 * Three NATS nodes under the repository's `nats.conf`, with TLS and routes: one after another dies, or is taken out of service, and comes
 * back while people talk.
 */

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { Database } from '#storage/pool.ts'
import type { NatsServer } from '../support/nats.ts'
import { natsPasswords, startNatsNodes, type NatsUser } from '../support/nats-nodes.ts'
import { testDatabase } from '../support/postgres.ts'
import { startTroupe, type TroupeProcess } from '../support/process.ts'
import { type Crowd, seedOfRun, startCrowd } from './crowd.ts'
import { during, withOutput } from './faults.ts'
import { openBeside, shardsByHost } from './stored.ts'

/** As long as a message may wait where NATS is killed and comes back at once. */
const waitedMsMost = 2000

interface Scene extends AsyncDisposable {
  readonly nodes: readonly NatsServer[]
  readonly processes: readonly TroupeProcess[]
  readonly database: Database
  readonly crowd: Crowd
}

/** Two hosts and a gateway over three nodes, and people who talk. */
async function startScene(t: TestContext): Promise<Scene> {
  const seed = seedOfRun()
  t.diagnostic(`TEST_SEED=${seed}`)
  await using stack = new AsyncDisposableStack()
  const dataDir = await mkdtemp(join(tmpdir(), 'troupe-nats-nodes-'))
  stack.defer(() => rm(dataDir, { recursive: true, force: true }))
  const { url } = stack.use(await testDatabase({ initialised: false }))
  const nats = stack.use(await startNatsNodes(3))
  const start = (hostName: string, user: NatsUser, ...nodes: number[]) =>
    startTroupe({
      hostName,
      env: {
        DATABASE_URL: url,
        NATS_URL: nats.url(user, ...nodes),
        TROUPE_NATS_CA: nats.ca,
        TROUPE_DATA_DIR: dataDir,
        TROUPE_ROLES: user,
      },
    })
  // Whoever is on the node that goes finds another one in its NATS_URL.
  const hosts = [
    stack.use(await start('actors-1', 'actors', 0, 1)),
    stack.use(await start('actors-2', 'actors', 0, 2)),
  ]
  const gateway = stack.use(await start('gateway-1', 'gateway', 0, 1, 2))
  const database = stack.use(await openBeside(url))
  const crowd = stack.use(
    await startCrowd({ urls: [gateway.url], database, seed, users: 6, rooms: 4, thinkMs: 150 }),
  )
  const owned = stack.move()
  return {
    nodes: nats.nodes,
    processes: [...hosts, gateway],
    database,
    crowd,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** What must be true at the end, however the nodes went. */
async function assertWell(t: TestContext, { crowd, database, processes }: Scene): Promise<void> {
  await crowd.assertNothingWentWrong()
  assert.equal((await shardsByHost(database)).size, 2, 'both hosts are members still')
  for (const process of processes) {
    for (const password of Object.values(natsPasswords)) assert.ok(!process.output().includes(password))
  }
  t.diagnostic(`${crowd.acknowledged} messages were acknowledged`)
}

test(
  'each NATS node in turn dies and the others take its processes while people talk, under nats.conf',
  { timeout: 90_000 },
  async (t) => {
    await using scene = await startScene(t)
    const { crowd } = scene
    await withOutput(
      t,
      () => scene.processes,
      async () => {
        assert.equal((await shardsByHost(scene.database)).size, 2)
        await during(t, crowd, 'nothing happens', () => Promise.resolve())
        // Each in turn, so that every process certainly loses its node once.
        for (const [index, node] of scene.nodes.entries()) {
          await during(t, crowd, `node ${index + 1} is killed`, () => node.kill())
          await during(t, crowd, `node ${index + 1} comes back`, () => node.start())
        }
        await assertWell(t, scene)
      },
    )
  },
)

test(
  'each NATS node in turn is taken away as a lame duck, and no request fails and no message waits for two seconds',
  { timeout: 60_000 },
  async (t) => {
    await using scene = await startScene(t)
    const { crowd } = scene
    await withOutput(
      t,
      () => scene.processes,
      async () => {
        const beganMs = performance.now()
        // Each in turn, so that every process is certainly sent away once.
        for (const [index, node] of scene.nodes.entries()) {
          await during(t, crowd, `node ${index + 1} is taken away`, () => node.retire())
          await during(t, crowd, `node ${index + 1} comes back`, () => node.start())
        }
        assert.deepEqual(crowd.failuresSince(beganMs), [])
        assert.ok(crowd.longestWaitMs(beganMs) < waitedMsMost, 'a message waited for too long')
        await assertWell(t, scene)
      },
    )
  },
)
