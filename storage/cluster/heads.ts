/** How far the logs go. */

import type { Reads } from '../reads.ts'

export interface Head {
  readonly shard: number
  /** The shard's epoch now. */
  readonly epoch: number
  /** The greatest committed position; 0: the log is empty. */
  readonly pos: number
}

/** The heads of all shards, ascending by shard, as committed when the statement began. */
export async function readHeads(reads: Reads): Promise<Head[]> {
  // One descent of the primary key per shard; `max(pos) … group by` would read the whole index.
  return reads.sql<Head[]>`
    select s.shard_id as shard, s.epoch, coalesce(
      (select l.pos from log l where l.shard_id = s.shard_id order by l.shard_id desc, l.pos desc limit 1), 0) as pos
    from shard s order by s.shard_id`
}
