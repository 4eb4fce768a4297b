/** The actors of one process, put together: the same for a process that is started and for one that is simulated (`test/simulation/`). */

import type { ServerName } from '#protocol/ids/server-name.ts'
import { takeEventNumbers, takeRoomNumbers } from '#storage/cluster/numbers.ts'
import { PostgresSweepStore } from '#storage/sweep/sweep-postgres.ts'
import { HostFeed } from '#actors/follow/follower.ts'
import { FollowLeader } from '#actors/follow/leader.ts'
import { interactionActor } from '#actors/interaction/interaction.ts'
import { NumberBlocks } from '#actors/room/numbers.ts'
import { roomActor } from '#actors/room/room.ts'
import type { AnyDefinition } from '#actors/runtime/contract.ts'
import type { FeedHooks } from '#actors/runtime/feed-hooks.ts'
import { type ActorHost, type ActorHostOptions, makeActorHost } from '#actors/runtime/host.ts'
import { LogSweep, type SweepPace } from '#actors/sweep/log-sweep.ts'
import { Fanout } from '#actors/user/fanout.ts'
import { UserSync } from '#actors/user/sync/engine.ts'
import { SyncHost } from '#actors/user/sync/host.ts'
import { userActor } from '#actors/user/user.ts'

export interface ActorsOptions extends Omit<ActorHostOptions, 'definitions'> {
  readonly serverName: ServerName
  readonly hooks: FeedHooks
  /** Absent: the usual one. */
  readonly sweepPace?: SweepPace
}

export interface Actors {
  /** Not started: it has joined nothing and owns nothing. */
  readonly host: ActorHost
  readonly leader: FollowLeader
}

/**
 * A host with all kinds of actors, which follows logs for its users and sweeps its own. `stack` disposes of it. Throws what the database
 * throws.
 */
export async function composeActors(stack: AsyncDisposableStack, options: ActorsOptions): Promise<Actors> {
  const { bus, clock, database, hooks, random, shardCount } = options
  const { reads } = database
  const feed = stack.use(new HostFeed({ bus, clock, random, reads, shardCount }))
  const leader = stack.use(new FollowLeader({ bus, clock, hooks, local: feed, shardCount }))
  await feed.start()
  const syncing = stack.use(new SyncHost({ feed, reads, clock }))
  const fanout = new Fanout()
  stack.defer(() => fanout.dispose())
  const definitions = actorDefinitions(options, { syncing, fanout })
  const host = stack.use(makeActorHost({ ...options, definitions }))
  const following = { reads, ask: host.asker, clock }
  hooks.onShard(({ what, shard }) =>
    what === 'claimed' ? fanout.shardClaimed(shard, following) : fanout.shardLost(shard),
  )
  startSweeping(stack, options, host)
  return { host, leader }
}

/** Deletes what nobody needs any more, on a connection of its own, from the shards that the host owns and does not give up. */
function startSweeping(stack: AsyncDisposableStack, options: ActorsOptions, host: ActorHost): void {
  const { clock, database, hooks, random, sweepPace: pace } = options
  const store = new PostgresSweepStore(stack.use(database.session('sweep')))
  const isServing = (shard: number): boolean => host.isMember && host.ownedShards.includes(shard)
  stack.use(new LogSweep({ store, hooks, clock, random, isServing, ...(pace && { pace }) }))
}

/** The kinds of actor that a host runs, each with what it is given. */
function actorDefinitions(
  { database, serverName, shardCount }: ActorsOptions,
  { fanout, syncing }: { readonly fanout: Fanout; readonly syncing: SyncHost },
): readonly AnyDefinition[] {
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
    interactionActor(),
  ]
}
