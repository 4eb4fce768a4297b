/**
 * How a command gets to see the cluster: Postgres itself, and the hosts' own words over NATS where the configuration names it, else
 * through a gateway on this machine. Where neither answers, hosts are shown as Postgres knows them.
 */

import { listHosts } from '#storage/cluster/leases.ts'
import { findSecret, hasSchema } from '#storage/cluster/operator.ts'
import type { Reads } from '#storage/reads.ts'
import { systemClock, systemRandom } from '#actors/runtime/clock.ts'
import { askHostStatus } from '#actors/runtime/host-status.ts'
import { clusterPath } from '../admin/cluster-for-commands.ts'
import { type ClusterView, readClusterView } from '../admin/cluster-view.ts'
import { publicUrl } from '../config/public-url.ts'
import type { Config } from '../config/schema.ts'
import { operatorTokenName } from '../running.ts'
import { CommandError } from './command.ts'

const hostAnswerMs = 1500
const natsMs = 3000
const gatewayMs = 3000

/** The cluster now. Throws CommandError for a database that is no server's yet, and what the database throws. */
export async function lookAtCluster(config: Config, reads: Reads): Promise<ClusterView> {
  const view = (await hasSchema(reads)) ? await look(config, reads) : undefined
  if (view === undefined)
    throw new CommandError('This database has not been used by Troupe yet: npx troupe start')
  return view
}

async function look(config: Config, reads: Reads): Promise<ClusterView | undefined> {
  if (config.natsUrls !== undefined && config.natsUrls.length > 0) {
    const { connectNatsBus } = await import('#actors/bus/nats.ts')
    await using bus = await connectNatsBus({
      url: config.natsUrls.join(','),
      name: 'troupe command',
      tls: { caFile: config.natsCa, certFile: config.natsCert, keyFile: config.natsKey },
      clock: systemClock,
      random: systemRandom,
      waitMs: natsMs,
    })
    const askHost = bus.healthy ? (hostId: string) => askHostStatus(bus, hostId, hostAnswerMs) : undefined
    return await readClusterView({ reads, askHost })
  }
  return (await askGateway(config, reads)) ?? (await readClusterView({ reads }))
}

/** What a gateway on this machine says; undefined where none that belongs to this database answers. */
async function askGateway(config: Config, reads: Reads): Promise<ClusterView | undefined> {
  const token = await findSecret(reads, operatorTokenName)
  if (token === undefined || !(await listHosts(reads)).some((host) => host.alive)) return undefined
  const response = await fetch(localUrl(config) + clusterPath, {
    headers: { authorization: `Bearer ${token}` },
    signal: AbortSignal.timeout(gatewayMs),
  }).catch(() => undefined)
  if (response?.ok !== true) return undefined
  // The cast states what a gateway that knows this database's token answers.
  return (await response.json().catch(() => undefined)) as ClusterView | undefined
}

/** The listen address rather than the public URL, which may lead through proxies that answer for something else. */
export function localUrl(config: Config): string {
  return publicUrl({
    listen: config.listen,
    publicUrl: config.roles.has('gateway') ? undefined : config.publicUrl,
  })
}
