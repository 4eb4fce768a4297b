/**
 * A host that follows one room of another one and does nothing else, for what the way from host to host costs. Started by
 * `cluster-hop.ts` with the URL of NATS; asked by its parent how far it is.
 */

import { connectNatsBus } from '#actors/bus/nats.ts'
import { HostFeed } from '#actors/follow/follower.ts'
import { systemClock, systemRandom } from '#actors/runtime/clock.ts'
import { defaultShardCount } from '#actors/runtime/shards.ts'
import type { Reads } from '#storage/reads.ts'

export const hopRoom = { roomId: '!hop:example.org', shard: 7 } as const
export const hopFollower = '2'

/** What the follower tells when it is asked. */
export interface HopReport {
  /** The owner has answered: from now on everything arrives. */
  readonly following: boolean
  readonly entries: number
  /** Of this process, milliseconds. */
  readonly processorMs: number
}

/** Nothing is in the logs: heads come from the bus alone. */
const emptyLogs: Reads = {
  // The cast is sound: the one statement that a feed makes is for heads and the incarnation.
  sql: (() =>
    Promise.resolve(
      Array.from({ length: defaultShardCount }, () => ({ incarnation: 0, head: 0 })),
    )) as unknown as Reads['sql'],
}

async function run(url: string): Promise<void> {
  const clock = systemClock
  const bus = await connectNatsBus({ url, name: 'follower', clock, random: systemRandom })
  const feed = new HostFeed({
    bus,
    clock,
    random: systemRandom,
    reads: emptyLogs,
    shardCount: defaultShardCount,
  })
  let entries = 0
  feed.onEntries((_shard, all) => {
    entries += all.length
  })
  await feed.start()
  feed.host(hopFollower)
  feed.follow(hopRoom.roomId, hopRoom.shard)
  process.on('message', () => {
    const { user, system } = process.cpuUsage()
    const following = feed.entriesAfter(hopRoom.roomId, hopRoom.shard, 0) !== undefined
    process.send?.({ following, entries, processorMs: (user + system) / 1000 } satisfies HopReport)
  })
  process.on('disconnect', () => process.exit(0))
}

const [, script, url] = process.argv
if (url !== undefined && script === import.meta.filename) await run(url)
