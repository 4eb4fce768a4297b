/**
 * `troupe drain HOST`: asks a host to hand its shards to the others, and waits until it has none. It may then be stopped; if it is not, it
 * stays without shards until `--cancel`. Exit code 1 when it could not hand over everything in a minute; it goes on trying.
 */

import { type KnownHost, listHosts, setDraining } from '#storage/cluster/leases.ts'
import { hasSchema } from '#storage/cluster/operator.ts'
import type { Reads } from '#storage/reads.ts'
import { type Clock, delay, systemClock } from '#actors/runtime/clock.ts'
import { canBeDrained, hostsCalled } from '../admin/draining.ts'
import { type Command, CommandError } from './command.ts'
import { openExisting } from './open-database.ts'
import type { Terminal } from './terminal.ts'

const pollMs = 200
const patienceMs = 60_000

export const drain: Command = {
  name: 'drain',
  usage: 'HOST [--cancel]',
  summary: 'Let a host hand over its shards, and wait until it has none',
  options: { cancel: { type: 'boolean', default: false } },
  positionals: 1,
  async run({ config, positionals, terminal, values }) {
    const [name = ''] = positionals
    await using database = await openExisting(config())
    if (!(await hasSchema(database.reads)))
      throw new CommandError('This database has not been used by Troupe yet: npx troupe start')
    const hosts = await listHosts(database.reads)
    if (values['cancel'] === true) {
      for (const { hostId } of hostsNamed(hosts, name)) await setDraining(database.control, hostId, false)
      terminal.write(`${name} takes its share of the shards again.\n`)
      return 0
    }
    const meant = hostsToDrain(hosts, name)
    for (const { hostId } of meant) await setDraining(database.control, hostId, true)
    const drained = new Set(meant.map((host) => host.hostId))
    await waitUntilEmpty({ reads: database.reads, drained, terminal, clock: systemClock })
    terminal.write(`${name} has no shards any more and can be stopped.\n`)
    return 0
  },
}

/** The living hosts of a name or id. Throws CommandError where there are none, or nobody who could take their shards. */
export function hostsToDrain(hosts: readonly KnownHost[], name: string): readonly KnownHost[] {
  const meant = hostsNamed(hosts, name)
  if (!canBeDrained(hosts, meant)) {
    throw new CommandError(
      `Nobody else could take the shards of ${name}: start another process with the role actors first.`,
    )
  }
  return meant
}

function hostsNamed(hosts: readonly KnownHost[], name: string): readonly KnownHost[] {
  const meant = hostsCalled(hosts, name)
  if (meant.length > 0) return meant
  const known = hosts
    .filter((host) => host.alive)
    .map((host) => host.name)
    .join(', ')
  throw new CommandError(
    `There is no living host ${name}. ${known === '' ? 'No host is alive.' : `Alive: ${known}.`}`,
  )
}

export interface Emptying {
  readonly reads: Reads
  /** Ids of the hosts that are to have no shards. */
  readonly drained: ReadonlySet<number>
  readonly terminal: Pick<Terminal, 'write'>
  readonly clock: Clock
}

/** Says how many shards are left whenever there are fewer or more. Throws CommandError when some are after a minute. */
export async function waitUntilEmpty({ reads, drained, terminal, clock }: Emptying): Promise<void> {
  const startMs = clock.monotonic()
  let told = -1
  for (;;) {
    const hosts = await listHosts(reads)
    const left = hosts
      .filter((host) => host.alive && drained.has(host.hostId))
      .reduce((sum, host) => sum + host.shards, 0)
    if (left === 0) return
    const waitedMs = clock.monotonic() - startMs
    if (left !== told) terminal.write(`${shardsInWords(left)} left after ${(waitedMs / 1000).toFixed(1)} s\n`)
    told = left
    if (waitedMs > patienceMs) {
      throw new CommandError(
        'The host did not hand over its shards in a minute. It goes on draining; see: npx troupe status',
      )
    }
    await delay(clock, pollMs)
  }
}

function shardsInWords(count: number): string {
  return count === 1 ? '1 shard' : `${count} shards`
}
