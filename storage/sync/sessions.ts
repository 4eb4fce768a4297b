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

/** How far the session rows go. Positions of one incarnation say nothing about another. */
export interface SessionHeads {
  readonly incarnation: number
  /** The greatest position of a session row per shard; 0 where there is none. */
  readonly positions: readonly number[]
}

export async function readSessionHeads(reads: Reads): Promise<SessionHeads> {
  const rows = await reads.sql<{ incarnation: number; pos: number | null }[]>`
    select c.incarnation, (
      select l.pos from log l where l.shard_id = s.shard_id and l.kind = 23 order by l.shard_id desc, l.pos desc limit 1
    ) as pos
    from shard s cross join cluster c order by s.shard_id`
  return { incarnation: rows[0]?.incarnation ?? 0, positions: rows.map((row) => row.pos ?? 0) }
}

/**
 * Session rows after a position of each shard, ascending within a shard, with the present incarnation. Whatever was committed
 * before the call is found.
 */
export async function readEndedSessions(
  reads: Reads,
  after: readonly number[],
): Promise<{ readonly incarnation: number; readonly ended: readonly EndedSessions[] }> {
  // The literal kind lets the planner use the partial index whatever the parameters are.
  const rows = await reads.sql<({ incarnation: number } & (EndedSessions | { shard: null }))[]>`
    select c.incarnation, l.shard_id as shard, l.pos, l.user_id as "userId", l.body
    from cluster c left join (
      unnest(${[...after]}::bigint[]) with ordinality a(pos, n)
      join log l on l.shard_id = a.n - 1 and l.pos > a.pos and l.kind = 23
    ) on true
    order by l.shard_id, l.pos`
  return { incarnation: rows[0]?.incarnation ?? 0, ended: rows.filter((row) => row.shard !== null) }
}
