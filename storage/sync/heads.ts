/** How far the logs are: what every sync begins with. */

import type { Reads } from '../reads.ts'

export interface Heads {
  /** Raised when the database may have lost commits. */
  readonly incarnation: number
  /** The greatest committed position of each shard, 0 for an empty log. All are values of one statement. */
  readonly positions: readonly number[]
  /** The epoch of each shard at that moment: who owns it under this one, or an earlier owner, has written all that lies below. */
  readonly epochs: readonly number[]
}

/** The heads of all shards, with their epochs and the incarnation. */
export async function readSyncHeads(reads: Reads): Promise<Heads> {
  // One probe of the primary key per shard; a plain max() with group by would scan the whole index.
  const rows = await reads.sql<{ incarnation: number; epoch: number; head: number | null }[]>`
    select c.incarnation, s.epoch, (
      select l.pos from log l where l.shard_id = s.shard_id order by l.shard_id desc, l.pos desc limit 1
    ) as head
    from shard s cross join cluster c order by s.shard_id`
  return {
    incarnation: rows[0]?.incarnation ?? 0,
    positions: rows.map((row) => row.head ?? 0),
    epochs: rows.map((row) => row.epoch),
  }
}
