/** The runtime of a process that owns no shards: it asks, and knows who owns what. */

import type { Database } from '#storage/pool.ts'
import type { Bus } from '../bus/bus.ts'
import { ownershipSubject } from '../bus/subjects.ts'
import { ActorClient } from './asker.ts'
import type { Clock, Random } from './clock.ts'
import { readOwners } from './cluster-postgres.ts'
import { Directory, type OwnerSource } from './directory.ts'
import { parseOwnership } from './ownership-messages.ts'

export interface ActorClientProcess extends AsyncDisposable {
  readonly asker: ActorClient
  readonly directory: Directory
}

export interface ActorClientProcessOptions {
  readonly bus: Bus
  readonly clock: Clock
  readonly random: Random
  readonly shardCount: number
  readonly owners: OwnerSource
}

const pollEveryMs = 1000

/** Starts the asking side for a gateway. Resolves when the owners have been read once. */
export function startActorClient(
  options: Omit<ActorClientProcessOptions, 'owners'> & { readonly database: Database },
): Promise<ActorClientProcess> {
  return openActorClient({ ...options, owners: () => readOwners(options.database) })
}

/** The same with any source of owners. */
export async function openActorClient(options: ActorClientProcessOptions): Promise<ActorClientProcess> {
  const { bus, clock, random, shardCount, owners } = options
  const directory = new Directory({ shardCount, clock, source: owners })
  const hints = await bus.subscribe(ownershipSubject, ({ head }) => {
    const message = parseOwnership(head)
    if (message?.kind === 'reconnected') directory.reconnected(message.shards, message.connection)
    if (message?.kind !== 'claimed') return
    for (const { shard, epoch } of message.shards) directory.served(shard, epoch)
  })
  await directory.read()
  let timer = clock.after(pollEveryMs, poll)
  function poll(): void {
    directory.refresh()
    timer = clock.after(pollEveryMs, poll)
  }
  return {
    asker: new ActorClient({ bus, clock, random, directory }),
    directory,
    async [Symbol.asyncDispose]() {
      timer.cancel()
      await hints.close()
    },
  }
}
