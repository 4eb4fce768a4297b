/** Models `storage/cluster/incarnation.ts`: a server on another timeline may have lost commits. */

import type * as real from '#storage/cluster/incarnation.ts'
import { asked } from '../access.ts'
import type { Tables } from '../tables.ts'

const epochsSkipped = 1_000_000
const numbersSkipped = 1_000_000

export const checkIncarnation: typeof real.checkIncarnation = (session) =>
  asked(session, (tables, server) => {
    const { serverTimeline } = server
    if (tables.timeline === serverTimeline) return false
    server.change((changed) => {
      changed.timeline = serverTimeline
      raise(changed)
    })
    return true
  })

export const raiseIncarnation: typeof real.raiseIncarnation = (session) =>
  asked(session, (_tables, server) => server.change(raise))

function raise(tables: Tables): void {
  tables.incarnation++
  tables.nextEventNumber += numbersSkipped
  tables.nextRoomNumber += numbersSkipped
  for (const shard of tables.shards) {
    shard.epoch += epochsSkipped
    shard.owner = undefined
  }
}
