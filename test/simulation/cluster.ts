/** Processes of the simulated cluster, composed of the production parts as `gateway/compose.ts` composes them. */

import { HostFeed } from '#actors/follow/follower.ts'
import { FollowLeader } from '#actors/follow/leader.ts'
import { NumberBlocks } from '#actors/room/numbers.ts'
import { roomActor } from '#actors/room/room.ts'
import type { Asker } from '#actors/runtime/client.ts'
import { openActorClient } from '#actors/runtime/client-process.ts'
import { readOwners } from '#actors/runtime/cluster-postgres.ts'
import type { AnyDefinition } from '#actors/runtime/contract.ts'
import { FeedHooks } from '#actors/runtime/feed-hooks.ts'
import { makeActorHost, type ActorHost } from '#actors/runtime/host.ts'
import { Fanout } from '#actors/user/fanout.ts'
import { UserSync } from '#actors/user/sync/engine.ts'
import { SyncHost } from '#actors/user/sync/host.ts'
import { userActor } from '#actors/user/user.ts'
import type { ServerName } from '#protocol/ids/server-name.ts'
import { takeEventNumbers, takeRoomNumbers } from '#storage/cluster/numbers.ts'
import type { Database } from '#storage/pool.ts'
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
}

/** A process that clients can talk to. */
export interface Entrance {
  readonly process: Process
  readonly ask: Asker
}

export interface SimulatedHost extends Entrance {
  readonly host: ActorHost
  /** Ends it in good order: its shards are given up, then the process ends. */
  leave(): Promise<void>
}

/** A process that owns shards. Resolves when it has joined; rejects when the database could not be reached. */
export async function startHost(process: Process, around: Surroundings): Promise<SimulatedHost> {
  const { network, server, shardCount } = around
  const { clock, random } = process
  const bus = network.connect(process)
  const database = openModelDatabase(server, process)
  const { reads } = database
  const hooks = new FeedHooks()
  const feed = new HostFeed({ bus, clock, random, reads, shardCount })
  const leader = new FollowLeader({ bus, clock, hooks, local: feed, shardCount })
  await feed.start()
  const syncing = new SyncHost({ feed, reads, clock })
  const fanout = new Fanout()
  const definitions = actorDefinitions({ database, syncing, fanout, shardCount })
  const host = makeActorHost({
    database,
    bus,
    clock,
    random,
    hostName: process.name,
    version: 'simulated',
    roles: ['actors', 'gateway'],
    committers: 2,
    shardCount,
    hooks,
    definitions,
  })
  const services = { reads, ask: host.asker, clock }
  hooks.onShard(({ what, shard }) =>
    what === 'claimed' ? fanout.shardClaimed(shard, services) : fanout.shardLost(shard),
  )
  await host.start()
  const leave = async (): Promise<void> => {
    await host[Symbol.asyncDispose]()
    fanout.dispose()
    syncing[Symbol.dispose]()
    await leader[Symbol.asyncDispose]()
    await feed[Symbol.asyncDispose]()
    process.kill()
  }
  return { process, host, ask: host.asker, leave }
}

/** A process that owns nothing and only asks. */
export async function startGateway(process: Process, around: Surroundings): Promise<Entrance> {
  const { network, server, shardCount } = around
  const database = openModelDatabase(server, process)
  const client = await openActorClient({
    bus: network.connect(process),
    clock: process.clock,
    random: process.random,
    shardCount,
    owners: () => readOwners(database),
  })
  return { process, ask: client.asker }
}

function actorDefinitions(parts: {
  readonly database: Database
  readonly syncing: SyncHost
  readonly fanout: Fanout
  readonly shardCount: number
}): readonly AnyDefinition[] {
  const { database, syncing, fanout, shardCount } = parts
  const numbers = new NumberBlocks({
    takeEvents: () => takeEventNumbers(database.control),
    takeRooms: (count) => takeRoomNumbers(database.control, count),
  })
  return [
    roomActor({ serverName, numbers, shardCount }),
    userActor({
      serverName,
      fanout,
      makeReading: (context, userId, own) => new UserSync({ host: syncing, context, userId, own }),
    }),
  ]
}
