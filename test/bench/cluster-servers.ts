/** The cluster under load: one gateway, one nats-server, one PostgreSQL, and as many actor hosts as are wanted at the time. */

import { setTimeout as delay } from 'node:timers/promises'
import { socketUrl, type SocketAddress } from '#storage/connection.ts'
import type { Database } from '#storage/pool.ts'
import { openBeside, shardsByHost } from '#test/cluster/stored.ts'
import { natsServer } from '#test/support/nats.ts'
import { startTroupe, type TroupeProcess } from '#test/support/process.ts'
import type { Target } from './workloads.ts'

const shards = 64
const evenMs = 30_000
/** For what a change of the cluster leaves behind. */
const restMs = 1500

export interface BenchCluster extends AsyncDisposable {
  readonly url: string
  /** Starts or drains hosts until there are so many, each with its share of the shards. */
  resize(hosts: number): Promise<void>
  /** What a generator is told: the gateway as the server, NATS as the first of the other processes, then the hosts. */
  target(postmasterPid: number): Target
}

/** Starts NATS, the gateway and one host on an empty database. */
export async function startBenchCluster(
  address: SocketAddress,
  dataDirectory: string,
): Promise<BenchCluster> {
  await using stack = new AsyncDisposableStack()
  const nats = stack.use(await natsServer())
  const hosts: TroupeProcess[] = []
  stack.defer(async () => {
    await Promise.all(hosts.map((host) => host.stop()))
  })
  const env = { DATABASE_URL: socketUrl(address), NATS_URL: nats.url, TROUPE_DATA_DIR: dataDirectory }
  let started = 0
  const addHost = async (): Promise<void> => {
    const hostName = `actors-${++started}`
    hosts.push(await startTroupe({ hostName, env: { ...env, TROUPE_ROLES: 'actors' } }))
  }
  await addHost()
  const gateway = stack.use(
    await startTroupe({ hostName: 'gateway', env: { ...env, TROUPE_ROLES: 'gateway' } }),
  )
  const database = stack.use(await openBeside(address))
  const owned = stack.move()
  const pid = nats.pid ?? 0
  return {
    url: gateway.url,
    async resize(count) {
      while (hosts.length < count) await addHost()
      while (hosts.length > count) await hosts.pop()?.stop()
      await untilEven(database, count)
      await delay(restMs)
    },
    target: (postmasterPid) => ({
      port: Number(new URL(gateway.url).port),
      serverPid: gateway.pid,
      postmasterPid,
      otherPids: [pid, ...hosts.map((host) => host.pid)],
    }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

async function untilEven(database: Database, hosts: number): Promise<void> {
  const endMs = performance.now() + evenMs
  for (;;) {
    const counts = [...(await shardsByHost(database)).values()]
    if (counts.length === hosts && counts.every((count) => Math.abs(count - shards / hosts) < 1)) return
    if (performance.now() > endMs) throw new Error(`${hosts} hosts own ${counts.join(', ')} shards`)
    await delay(100)
  }
}
