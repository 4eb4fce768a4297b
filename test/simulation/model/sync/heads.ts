/** Models `storage/sync/heads.ts`. */

import type * as real from '#storage/sync/heads.ts'
import { asked } from '../access.ts'

export const readSyncHeads: typeof real.readSyncHeads = (reads) =>
  asked(reads, (tables) => ({
    incarnation: tables.incarnation,
    positions: tables.shards.map((_row, shard) => tables.headOf(shard)),
    epochs: tables.shards.map(({ epoch }) => epoch),
  }))
