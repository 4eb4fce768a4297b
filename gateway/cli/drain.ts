/**
 * `troupe drain HOST`: asks a host to hand its shards to the others, and waits until it has none.
 */

import { type KnownHost, listHosts, setDraining } from '#storage/cluster/leases.ts'
import type { Database } from '#storage/pool.ts'
import { delay, systemClock } from '#actors/runtime/clock.ts'
import { type Command, CommandError } from './command.ts'
import { openExisting } from './open-database.ts'
import type { Terminal } from './terminal.ts'

const pollMs = 200
const patienceMs = 60_000

export const drain: Command = {
  name: 'drain',
  usage: 'HOST',
  summary: 'Let a host hand over its shards, and wait until it has none',
  options: {},
  positionals: 1,
  async run({ config, positionals, terminal }) {
    const [name = ''] = positionals
    await using database = await openExisting(config())
    const meant = hostsToDrain(await listHosts(database.reads), name)
    for (const { hostId } of meant) await setDraining(database.control, hostId, true)
    await waitUntilEmpty(database, new Set(meant.map((host) => host.hostId)), terminal)
    terminal.write(`${name} has no shards any more and can be stopped.\n`)
    return 0
  },
}

/** The living hosts of a name or id. Throws CommandError where there are none, or nobody who could take their shards. */
export function hostsToDrain(hosts: readonly KnownHost[], name: string): readonly KnownHost[] {
  const alive = hosts.filter((host) => host.alive)
  const meant = alive.filter((host) => host.name === name || String(host.hostId) === name)
  if (meant.length === 0) {
    const known = alive.map((host) => host.name).join(', ')
    throw new CommandError(
      `There is no living host ${name}. ${known === '' ? 'No host is alive.' : `Alive: ${known}.`}`,
    )
  }
  const takers = alive.filter(
    (host) => !meant.includes(host) && !host.draining && host.roles.includes('actors'),
  )
  if (takers.length === 0 && meant.some((host) => host.shards > 0)) {
    throw new CommandError(
      `Nobody else could take the shards of ${name}: start another process with the role actors first.`,
    )
  }
  return meant
}

async function waitUntilEmpty(
  database: Database,
  drained: ReadonlySet<number>,
  terminal: Terminal,
): Promise<void> {
  const deadlineMs = systemClock.monotonic() + patienceMs
  let told = -1
  for (;;) {
    const hosts = await listHosts(database.reads)
    const left = hosts
      .filter((host) => host.alive && drained.has(host.hostId))
      .reduce((sum, host) => sum + host.shards, 0)
    if (left === 0) return
    if (left !== told) terminal.write(`${left} shards left\n`)
    told = left
    if (systemClock.monotonic() > deadlineMs) {
      throw new CommandError(
        'The host did not hand over its shards in a minute. It goes on draining; see: npx troupe status',
      )
    }
    await delay(systemClock, pollMs)
  }
}
