/**
 * `troupe restore`: told by an operator who has put back a dump, or a snapshot of the disk. The database cannot know that by itself:
 * sync tokens, epochs and keys of the time that was lost are still out there, and would be taken for those of the time to come.
 */

import { readCluster } from '#storage/cluster/incarnation.ts'
import { listHosts } from '#storage/cluster/leases.ts'
import { hasSchema } from '#storage/cluster/operator.ts'
import { newestEventMs } from '#storage/cluster/newest-event.ts'
import { beginAnew, connectedProcesses } from '#storage/cluster/restored.ts'
import { deadHosts } from '#storage/cluster/shards.ts'
import { migrate } from '#storage/migrate.ts'
import type { Database } from '#storage/pool.ts'
import type { Reads } from '#storage/reads.ts'
import { type Command, CommandError } from './command.ts'
import { commandName, openOrStart } from './open-database.ts'
import type { Terminal } from './terminal.ts'

export const restore: Command = {
  name: 'restore',
  usage: '[--yes]',
  summary: 'After a backup was put back: make it the beginning of what follows',
  options: { yes: { type: 'boolean', default: false } },
  positionals: 0,
  async run({ config, terminal, values }) {
    await using opened = await openOrStart(config(), (text) => terminal.warn(`${text}\n`))
    const { database } = opened
    await refuseUnusable(database.reads)
    // A backup may be older than this program.
    await migrate(database, { onProgress: (text) => terminal.write(`${text}\n`) })
    terminal.write(await consequences(database.reads))
    if (values['yes'] !== true) await askOrRefuse(terminal)
    terminal.write(await carryOut(database))
    return 0
  },
}

/** Throws CommandError where there is nothing to restore, and while processes use the database. */
async function refuseUnusable(reads: Reads): Promise<void> {
  if (!(await hasSchema(reads)) || (await readCluster(reads)) === undefined)
    throw new CommandError(
      'This database holds no Troupe: put the backup back first, then call this command.',
    )
  const dead = await deadHosts(reads)
  const living = (await listHosts(reads)).filter((host) => host.alive && !dead.includes(host.hostId))
  const names = living.map((host) => host.name)
  const connected = await connectedProcesses(reads, commandName)
  if (names.length === 0 && connected.length === 0) return
  const who = names.length > 0 ? names.join(', ') : connected.join(', ')
  throw new CommandError(
    `Processes are using this database: ${who}. They hold in memory what it does not have any more: stop all of them ` +
      '(a lease of one that was killed ends after five seconds), then call this command again.',
  )
}

async function consequences(reads: Reads): Promise<string> {
  const newest = await newestEventMs(reads)
  const when =
    newest === undefined ? 'It holds no event.' : `Its newest event is of ${new Date(newest).toISOString()}.`
  return `${when} What came after that is lost, and this command makes it certain that nothing refers to it:

  - Clients keep their sessions. At their next sync each gets the present state of its rooms anew, with the latest messages.
    Messages of the time that was lost may still be shown there until its cache is cleared.
  - Sessions, passwords and accounts are those of the backup: who logged in later logs in again, and who logged out later,
    was deactivated or changed his password is as he was before.
  - Devices upload new one-time keys, for some of the old ones may have been used already.
  - Files of media are not part of the database: those that came later are there and nobody knows them.

`
}

/** Throws CommandError unless the person says yes. */
async function askOrRefuse(terminal: Terminal): Promise<void> {
  const answer = await terminal.confirm('Is this database a backup that was put back? Type yes: ')
  if (answer === undefined)
    throw new CommandError(
      'Nothing was changed. Without a terminal to ask at, call: npx troupe restore --yes',
    )
  if (!answer) throw new CommandError('Nothing was changed.')
}

async function carryOut(database: Database): Promise<string> {
  await beginAnew(database.control)
  const cluster = await readCluster(database.reads)
  return `Done: incarnation ${cluster?.incarnation}. Start the processes again.\n`
}
