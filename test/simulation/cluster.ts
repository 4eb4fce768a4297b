/** Processes of the simulated cluster: the actors of each are put together by the program itself. */

import type { Asker } from '#actors/runtime/client.ts'
import { openActorClient } from '#actors/runtime/client-process.ts'
import { readOwners } from '#actors/runtime/cluster-postgres.ts'
import { FeedHooks } from '#actors/runtime/feed-hooks.ts'
import type { ActorHost } from '#actors/runtime/host.ts'
import type { SweepPace } from '#actors/sweep/log-sweep.ts'
import { composeActors } from '#gateway/compose-actors.ts'
import { composeSessions, type Sessions } from '#gateway/compose-sessions.ts'
import type { ServerName } from '#protocol/ids/server-name.ts'
import type { Database } from '#storage/pool.ts'
import { checkSettings } from '#storage/settings.ts'
import { openModelDatabase } from './database.ts'
import type { Process } from './kernel.ts'
import type { Network } from './network.ts'
import type { Server } from './server.ts'

// The cast is sound: the name is one.
export const serverName = 'sim.test' as ServerName

export interface Surroundings {
  readonly network: Network
  readonly server: Server
  readonly shardCount: number
  readonly committers: number
  readonly sweepPace: SweepPace
}

/** A process that clients can talk to. */
export interface Entrance {
  readonly process: Process
  readonly ask: Asker
  /** Who a token stands for, as this process knows it. */
  readonly sessions: Sessions
}

export interface SimulatedHost extends Entrance {
  readonly host: ActorHost
  /** It is on its way out. */
  readonly isLeaving: boolean
  /** Ends it in good order: its shards are given up, then the process ends. */
  leave(): Promise<void>
}

/** A process that owns shards, and clients can talk to. Resolves when it has joined; rejects when the database could not be reached. */
export async function startHost(process: Process, around: Surroundings): Promise<SimulatedHost> {
  const { committers, network, server, shardCount, sweepPace } = around
  const { clock, random } = process
  const bus = network.connect(process)
  const stack = new AsyncDisposableStack()
  const database = await openDatabase(server, process)
  const hooks = new FeedHooks()
  const { host } = await composeActors(stack, {
    database,
    bus,
    clock,
    random,
    serverName,
    hostName: process.name,
    version: 'simulated',
    roles: ['actors', 'gateway'],
    committers,
    shardCount,
    hooks,
    sweepPace,
  })
  await host.start()
  const sessions = await composeSessions(stack, { reads: database.reads, clock, hooks })
  let isLeaving = false
  const leave = async (): Promise<void> => {
    isLeaving = true
    await stack.disposeAsync()
    process.kill()
  }
  return {
    process,
    host,
    ask: host.asker,
    sessions,
    leave,
    get isLeaving() {
      return isLeaving
    },
  }
}

/** A process that owns nothing and only asks. Rejects when the database could not be reached. */
export async function startGateway(process: Process, around: Surroundings): Promise<Entrance> {
  const { network, server, shardCount } = around
  const { clock, random } = process
  const database = await openDatabase(server, process)
  const client = await openActorClient({
    bus: network.connect(process),
    clock,
    random,
    shardCount,
    owners: () => readOwners(database),
  })
  const { reads } = database
  const sessions = await composeSessions(new AsyncDisposableStack(), { reads, clock, hooks: new FeedHooks() })
  return { process, ask: client.asker, sessions }
}

/** As `openDatabase` of `storage/pool.ts`: nothing is entrusted to a server that would lose it. */
async function openDatabase(server: Server, process: Process): Promise<Database> {
  const database = openModelDatabase(server, process)
  await checkSettings(database.control)
  return database
}
