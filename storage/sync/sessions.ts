/** Ended sessions as the log tells of them. */

import type { UserId } from '#protocol/ids/user-id.ts'
import type { Reads } from '../reads.ts'

export interface EndedSessions {
  readonly shard: number
  readonly pos: number
  readonly userId: UserId
  /** JSON text: {deviceIds?}; null: all of the user's sessions. */
  readonly body: string | null
}

/** The greatest position of a session row per shard; 0 where there is none. */
export async function readSessionHeads(reads: Reads): Promise<readonly number[]> {
  const rows = await reads.sql<{ pos: number | null }[]>`
    select (
      select l.pos from log l where l.shard_id = s.shard_id and l.kind = 23 order by l.shard_id desc, l.pos desc limit 1
    ) as pos
    from shard s order by s.shard_id`
  return rows.map((row) => row.pos ?? 0)
}

/** Session rows after a position of each shard, ascending within a shard. Whatever was committed before the call is found. */
export function readEndedSessions(reads: Reads, after: readonly number[]): Promise<readonly EndedSessions[]> {
  const { sql } = reads
  // The literal kind lets the planner use the partial index whatever the parameters are.
  return sql<EndedSessions[]>`
    select l.shard_id as shard, l.pos, l.user_id as "userId", l.body
    from unnest(${[...after]}::bigint[]) with ordinality a(pos, n)
    join log l on l.shard_id = a.n - 1 and l.pos > a.pos and l.kind = 23
    order by l.shard_id, l.pos`
}
