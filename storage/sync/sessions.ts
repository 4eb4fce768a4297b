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

export interface SessionNews {
  readonly incarnation: number
  /** Ascending within a shard. */
  readonly ended: readonly EndedSessions[]
  /** Rows after the positions have been swept away unread (`sweep/sweep.ts`): whoever asks has slept for longer than they are kept. */
  readonly missed: boolean
}

/**
 * Session rows after a position of each shard, with the present incarnation. Whatever was committed before the call is found, or
 * `missed` is true.
 */
export async function readEndedSessions(reads: Reads, after: readonly number[]): Promise<SessionNews> {
  // The literal kind lets the planner use the partial index whatever the parameters are.
  type Row = { incarnation: number; missed: boolean } & (EndedSessions | { shard: null })
  const rows = await reads.sql<Row[]>`
    select c.incarnation, l.shard_id as shard, l.pos, l.user_id as "userId", l.body, exists (
      select from sweep w join unnest(${[...after]}::bigint[]) with ordinality a(pos, n)
        on a.n - 1 = w.shard_id and w.session_pos > a.pos
    ) as missed
    from cluster c left join (
      unnest(${[...after]}::bigint[]) with ordinality a(pos, n)
      join log l on l.shard_id = a.n - 1 and l.pos > a.pos and l.kind = 23
    ) on true
    order by l.shard_id, l.pos`
  return {
    incarnation: rows[0]?.incarnation ?? 0,
    ended: rows.flatMap((row) => {
      if (row.shard === null) return []
      const { body, pos, shard, userId } = row
      return [{ shard, pos, userId, body }]
    }),
    missed: rows[0]?.missed ?? false,
  }
}
