/** A cluster is replaced by the next version, process by process, while people talk: no request fails. */

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { listHosts } from '#storage/cluster/leases.ts'
import type { Database } from '#storage/pool.ts'
import { natsServer } from '../support/nats.ts'
import { olderBuild } from '../support/older-build.ts'
import { testDatabase } from '../support/postgres.ts'
import { startTroupe, type ProcessOptions, type TroupeProcess } from '../support/process.ts'
import { seedOfRun, startCrowd } from './crowd.ts'
import { during, withOutput } from './faults.ts'
import { startLine } from '../support/tcp-proxy.ts'
import type { Failure } from './persistence.ts'
import { openBeside, shardsByHost } from './stored.ts'

const shareMs = 10_000

/** Versions of the hosts that live now, each once. */
async function versions({ reads }: Database): Promise<string[]> {
  const hosts = await listHosts(reads)
  return [...new Set(hosts.filter(({ alive }) => alive).map(({ version }) => version))].toSorted()
}

/**
 * A server may end an idle connection at any time, and whoever sends on it at that very moment repeats what he sent (RFC 9112, section
 * 9.5). Proxies and browsers do so by themselves; these clients count it as a failure without an answer.
 */
function isEndOfIdleConnection({ status, why }: Failure): boolean {
  return status === undefined && /other side closed|ECONNRESET/.test(why)
}

/** Of those there may be so many when a gateway ends. */
const endsAtMost = 2

function portOf({ url }: TroupeProcess): { readonly port: number } {
  return { port: Number(new URL(url).port) }
}

test(
  'every process is replaced by the next version under load, and no request fails',
  { timeout: 120_000 },
  async (t) => {
    const seed = seedOfRun()
    t.diagnostic(`TEST_SEED=${seed}`)
    await using stack = new AsyncDisposableStack()
    const older = stack.use(await olderBuild())
    const dataDir = await mkdtemp(join(tmpdir(), 'troupe-upgrade-'))
    stack.defer(() => rm(dataDir, { recursive: true, force: true }))
    const { url: databaseUrl } = stack.use(await testDatabase({ migrated: false }))
    const nats = stack.use(await natsServer())
    const running = new Set<TroupeProcess>()
    const start = async (role: 'gateway' | 'actors', options: ProcessOptions): Promise<TroupeProcess> => {
      const env = {
        DATABASE_URL: databaseUrl,
        NATS_URL: nats.url,
        TROUPE_DATA_DIR: dataDir,
        TROUPE_ROLES: role,
      }
      const process = stack.use(await startTroupe({ ...options, env }))
      running.add(process)
      return process
    }
    const stop = async (process: TroupeProcess): Promise<void> => {
      assert.equal(await process.stop(), 0, `${process.hostName} ends in good order`)
      running.delete(process)
    }
    const hosts = [
      await start('actors', { hostName: 'actors-1', root: older.root }),
      await start('actors', { hostName: 'actors-2', root: older.root }),
    ]
    const gateways = [
      await start('gateway', { hostName: 'gateway-1', root: older.root }),
      await start('gateway', { hostName: 'gateway-2', root: older.root }),
    ]
    // The proxy that stands before gateways: it leads new connections elsewhere before one ends, and keeps those that are open.
    const lines = await Promise.all(
      gateways.map(async (gateway) => stack.use(await startLine(portOf(gateway)))),
    )
    const database = stack.use(await openBeside(databaseUrl))
    const urls = lines.map(({ port }) => `http://127.0.0.1:${port}`)
    await using crowd = await startCrowd({ urls, database, seed, users: 8, rooms: 6, thinkMs: 100 })
    await withOutput(
      t,
      () => [...running],
      async () => {
        assert.deepEqual(await versions(database), [older.version])
        const beganMs = performance.now()
        for (const host of hosts) {
          const hostName = `${host.hostName}-next`
          await during(t, crowd, `${host.hostName} is replaced`, async () => {
            await start('actors', { hostName })
            await crowd.until(
              async () => ((await shardsByHost(database)).get(hostName) ?? 0) >= 20,
              shareMs,
              () => 'the next version does not get its share',
            )
            assert.equal((await versions(database)).length, 2, 'both versions are at work')
            await stop(host)
          })
        }
        assert.deepEqual(crowd.failuresSince(beganMs), [])
        const gatewaysFromMs = performance.now()
        for (const [n, gateway] of gateways.entries()) {
          await during(t, crowd, `${gateway.hostName} is replaced`, async () => {
            const next = await start('gateway', { hostName: `${gateway.hostName}-next` })
            lines[n]?.redirect(portOf(next))
            await stop(gateway)
          })
        }
        assert.equal((await versions(database)).includes(older.version), false)
        const failures = crowd.failuresSince(gatewaysFromMs)
        const refused = failures.filter((failure) => !isEndOfIdleConnection(failure))
        assert.deepEqual(refused, [])
        assert.ok(failures.length <= endsAtMost * gateways.length, 'connections end under many requests')
        await crowd.assertNothingWentWrong()
        t.diagnostic(`${crowd.acknowledged} messages were acknowledged`)
      },
    )
  },
)
