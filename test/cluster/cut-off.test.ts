/** A host that cannot reach NATS and can reach Postgres: the others take its shards, and it takes no harm to come back. */

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { listHosts } from '#storage/cluster/leases.ts'
import { listMoves } from '#storage/cluster/moves.ts'
import { startCluster } from '../support/cluster.ts'
import { startTroupe } from '../support/process.ts'
import { startLine } from '../support/tcp-proxy.ts'
import { seedOfRun, startCrowd } from './crowd.ts'
import { during, withOutput } from './faults.ts'
import { openBeside, shardsByHost } from './stored.ts'

test(
  'a host that alone cannot reach NATS hands its shards over, and its rooms are served by others',
  { timeout: 120_000 },
  async (t) => {
    const seed = seedOfRun()
    t.diagnostic(`TEST_SEED=${seed}`)
    await using stack = new AsyncDisposableStack()
    const cluster = stack.use(await startCluster({ gateways: 1, hosts: 1 }))
    const directory = await mkdtemp(join(tmpdir(), 'troupe-cut-off-'))
    stack.defer(() => rm(directory, { recursive: true, force: true }))
    const line = stack.use(await startLine({ port: Number(new URL(cluster.natsUrl).port) }))
    const env = {
      DATABASE_URL: cluster.databaseUrl,
      NATS_URL: `nats://127.0.0.1:${line.port}`,
      TROUPE_DATA_DIR: directory,
      TROUPE_ROLES: 'actors',
    }
    const host = stack.use(await startTroupe({ hostName: 'actors-2', env }))
    const database = stack.use(await openBeside(cluster.databaseUrl))
    const urls = cluster.gateways.map((gateway) => gateway.url)
    const crowd = stack.use(await startCrowd({ urls, database, seed, users: 6, rooms: 6, thinkMs: 80 }))
    const shardsOf = async (name: string): Promise<number> => (await shardsByHost(database)).get(name) ?? 0
    await withOutput(
      t,
      () => [host, ...cluster.hosts, ...cluster.gateways],
      async () => {
        await crowd.until(
          async () => (await shardsOf('actors-2')) === 32,
          15_000,
          () => 'the hosts do not share the shards',
        )
        await during(t, crowd, 'one host cannot reach NATS', async () => {
          line.hold()
          await crowd.until(
            async () => (await shardsOf('actors-1')) === 64,
            20_000,
            () => 'the shards have not moved',
          )
        })
        const condition = async (): Promise<unknown> =>
          (await listHosts(database.reads)).find(({ name }) => name === 'actors-2')?.condition
        assert.equal(await condition(), 'cut off')
        const moves = await listMoves(database.reads, 32)
        assert.ok(moves.every(({ why }) => why === 'cut off'))
        await during(t, crowd, 'it reaches NATS again', async () => line.heal())
        assert.equal(await condition(), 'cut off', 'the line may be a bad one')
        await crowd.assertNothingWentWrong()
        t.diagnostic(`${crowd.acknowledged} messages were acknowledged`)
      },
    )
  },
)
