/**
 * `troupe status`: the hosts of the cluster, and every shard with its owner, epoch and position, as the database has them.
 */

import { type Head, readHeads } from '#storage/cluster/heads.ts'
import { readCluster } from '#storage/cluster/incarnation.ts'
import { type KnownHost, listHosts } from '#storage/cluster/leases.ts'
import { hasSchema } from '#storage/cluster/operator.ts'
import { listShards, type ShardOwner } from '#storage/cluster/shards.ts'
import type { Reads } from '#storage/reads.ts'
import { type Command, CommandError } from './command.ts'
import { openExisting } from './open-database.ts'
import { formatTable } from './table.ts'

export const status: Command = {
  name: 'status',
  usage: '',
  summary: 'Show hosts, shards, owners, epochs and positions',
  options: {},
  positionals: 0,
  async run({ config, terminal }) {
    await using database = await openExisting(config())
    const { reads } = database
    const cluster = (await hasSchema(reads)) ? await readCluster(reads) : undefined
    if (cluster === undefined)
      throw new CommandError('This database has not been used by Troupe yet: npx troupe start')
    terminal.write(`${cluster.serverName}, incarnation ${cluster.incarnation}\n\n`)
    const { text, ownerless } = await describeCluster(reads)
    terminal.write(text)
    if (ownerless > 0) terminal.write(`\n${ownerless} shards have no living owner.\n`)
    return ownerless === 0 ? 0 : 1
  },
}

async function describeCluster(reads: Reads): Promise<{ readonly text: string; readonly ownerless: number }> {
  const [hosts, shards, heads] = await Promise.all([listHosts(reads), listShards(reads), readHeads(reads)])
  return {
    text: `${hostTable(hosts)}\n${shardTable(shards, hosts, heads)}`,
    ownerless: shards.filter((shard) => !shard.alive).length,
  }
}

/** One line for each host. */
export function hostTable(hosts: readonly KnownHost[]): string {
  if (hosts.length === 0) return 'No host has joined.\n'
  const rows = hosts.map((host) => [
    host.name,
    stateOf(host),
    host.roles,
    String(host.shards),
    host.version,
    String(host.hostId),
  ])
  return formatTable([['HOST', 'STATE', 'ROLES', 'SHARDS', 'VERSION', 'ID'], ...rows])
}

function stateOf(host: KnownHost): string {
  if (!host.alive) return 'gone'
  return host.draining ? 'draining' : 'alive'
}

/** One line for each shard. */
export function shardTable(
  shards: readonly ShardOwner[],
  hosts: readonly KnownHost[],
  heads: readonly Head[],
): string {
  const names = new Map(hosts.map((host) => [host.hostId, host.name]))
  const positions = new Map(heads.map((head) => [head.shard, head.pos]))
  const rows = shards.map((shard) => [
    String(shard.shard),
    ownerOf(shard, names),
    String(shard.epoch),
    String(positions.get(shard.shard) ?? 0),
  ])
  return formatTable([['SHARD', 'OWNER', 'EPOCH', 'POSITION'], ...rows])
}

function ownerOf({ owner, alive }: ShardOwner, names: ReadonlyMap<number, string>): string {
  if (owner === undefined) return '–'
  const name = names.get(owner) ?? String(owner)
  return alive ? name : `${name} (gone)`
}
