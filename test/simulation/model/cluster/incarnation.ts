/** Models `storage/cluster/incarnation.ts`: a server on another timeline may have lost commits. */

import type * as real from '#storage/cluster/incarnation.ts'
import { leastEpoch } from '#storage/cluster/incarnation.ts'
import { asked } from '../access.ts'
import type { Tables } from '../tables.ts'

const perIncarnation = 1_000_000

export const checkIncarnation: typeof real.checkIncarnation = (session) =>
  asked(
    session,
    (tables, server) => {
      const { serverTimeline, nowMs } = server
      if (tables.timeline === serverTimeline) return false
      server.rowLocks.demand([...tables.shards.keys()])
      server.change((changed) => {
        changed.timeline = serverTimeline
        raise(changed, nowMs)
      })
      return true
    },
    'look',
  )

export const bearsOut: typeof real.bearsOut = (reads, held) =>
  asked(reads, (tables, { serverTimeline }) => {
    const stands = held.every(
      ({ shard, epoch, position }) =>
        tables.shards[shard]?.epoch === epoch && tables.headOf(shard) >= position,
    )
    return tables.timeline === serverTimeline && stands
  })

export const raiseIncarnation: typeof real.raiseIncarnation = (session) =>
  asked(session, (tables, server) => {
    const { nowMs } = server
    server.rowLocks.demand([...tables.shards.keys()])
    server.change((changed) => raise(changed, nowMs))
  })

function raise(tables: Tables, nowMs: number): void {
  tables.incarnation = Math.max(tables.incarnation + 1, Math.floor(nowMs / 1000))
  const least = tables.incarnation * perIncarnation
  tables.nextEventNumber = Math.max(tables.nextEventNumber + perIncarnation, least)
  tables.nextRoomNumber = Math.max(tables.nextRoomNumber + perIncarnation, least)
  for (const shard of tables.shards) {
    shard.epoch = Math.max(shard.epoch + 1, leastEpoch(tables.incarnation))
    shard.owner = undefined
  }
  tables.clear('one_time_key')
}
