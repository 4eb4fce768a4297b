/**
 * `troupe status`: hosts, shards with owner, epoch, position and load, recent moves and failures. Exit code 1 while a shard has no
 * living owner.
 */

import { systemClock } from '#actors/runtime/clock.ts'
import { clusterText } from './cluster-text.ts'
import type { Command } from './command.ts'
import { lookAtCluster } from './look.ts'
import { openExisting } from './open-database.ts'

export const status: Command = {
  name: 'status',
  usage: '[--json]',
  summary: 'Show hosts, shards, owners, epochs, positions, load, moves and failures',
  options: { json: { type: 'boolean', default: false } },
  positionals: 0,
  async run({ config: readConfig, terminal, values }) {
    const config = readConfig()
    await using database = await openExisting(config)
    const view = await lookAtCluster(config, database.reads)
    const ownerless = view.shards.filter((shard) => !shard.alive).length
    if (values['json'] === true) terminal.write(`${JSON.stringify(view, undefined, 2)}\n`)
    else {
      terminal.write(clusterText(view, systemClock.now()))
      if (ownerless > 0) terminal.write(`\n${ownerless} shards have no living owner.\n`)
    }
    return ownerless === 0 ? 0 : 1
  },
}
