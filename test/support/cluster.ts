/**
 * A Troupe cluster of real processes on loopback: one PostgreSQL, one nats-server, any number of gateways and actor hosts.
 * `npm run dev` and the cluster tests use the same one.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { natsServer } from './nats.ts'
import { testDatabase } from './postgres.ts'
import { startTroupe, type TroupeProcess } from './process.ts'

export interface Cluster {
  readonly databaseUrl: string
  readonly natsUrl: string
  readonly nats: Awaited<ReturnType<typeof natsServer>>
  readonly gateways: TroupeProcess[]
  readonly hosts: TroupeProcess[]
  addGateway(): Promise<TroupeProcess>
  addHost(): Promise<TroupeProcess>
  [Symbol.asyncDispose](): Promise<void>
}

export interface ClusterOptions {
  readonly gateways: number
  readonly hosts: number
  /** Port of the first gateway; the others take the following ones. Absent: free ports. */
  readonly firstPort?: number
  readonly env?: Readonly<Record<string, string>>
}

/** Starts the cluster; everything is gone again when it is disposed. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  await using stack = new AsyncDisposableStack()
  const dataDir = await mkdtemp(join(tmpdir(), 'troupe-cluster-'))
  stack.defer(() => rm(dataDir, { recursive: true, force: true }))
  const database = stack.use(await testDatabase({ initialised: false }))
  const nats = stack.use(await natsServer())
  const gateways: TroupeProcess[] = []
  const hosts: TroupeProcess[] = []
  // Gateways go first: they drain while the actors can still answer.
  stack.defer(() => disposeAll(hosts))
  stack.defer(() => disposeAll(gateways))
  const env = { DATABASE_URL: database.url, NATS_URL: nats.url, TROUPE_DATA_DIR: dataDir, ...options.env }
  const start = async (role: 'gateway' | 'actors', list: TroupeProcess[]): Promise<TroupeProcess> => {
    const hostName = `${role}-${list.length + 1}`
    const { firstPort } = options
    const fixed = role === 'gateway' && firstPort !== undefined ? { port: firstPort + list.length } : {}
    const started = await startTroupe({ hostName, env: { ...env, TROUPE_ROLES: role }, ...fixed })
    list.push(started)
    return started
  }
  for (let i = 0; i < options.hosts; i++) await start('actors', hosts)
  for (let i = 0; i < options.gateways; i++) await start('gateway', gateways)
  const owned = stack.move()
  return {
    databaseUrl: database.url,
    natsUrl: nats.url,
    nats,
    gateways,
    hosts,
    addGateway: () => start('gateway', gateways),
    addHost: () => start('actors', hosts),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

async function disposeAll(processes: readonly TroupeProcess[]): Promise<void> {
  await Promise.all(processes.map((process) => process[Symbol.asyncDispose]()))
}
