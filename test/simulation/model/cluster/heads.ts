/** Models `storage/cluster/heads.ts`. */

import type * as real from '#storage/cluster/heads.ts'
import { asked } from '../access.ts'

export const readHeads: typeof real.readHeads = (reads) =>
  asked(reads, (tables) =>
    tables.shards.map(({ epoch }, shard) => ({ shard, epoch, pos: tables.headOf(shard) })),
  )
