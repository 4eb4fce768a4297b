/** What has to be done to a database that an operator has put back, before a process of Troupe uses it again. */

import type { Reads } from '../reads.ts'
import type { Session } from '../session.ts'
import { checkIncarnation, raiseIncarnation } from './incarnation.ts'

/** Programs that are connected to the database and call themselves Troupe's, this one left out. */
export async function connectedProcesses(reads: Reads, ownName: string): Promise<string[]> {
  const rows = await reads.sql<{ name: string }[]>`
    select distinct application_name as name from pg_stat_activity
    where datname = current_database() and application_name like 'troupe %' and application_name not like ${`${ownName}%`}
    order by 1`
  return rows.map(({ name }) => name)
}

/** When the newest event was sent that the database has, epoch milliseconds; undefined without events. */
export async function newestEventMs(reads: Reads): Promise<number | undefined> {
  const [row] = await reads.sql<{ ts: number | null }[]>`
    select max(e.origin_server_ts) as ts
    from shard s cross join lateral (
      select l.event_nid from log l where l.shard_id = s.shard_id and l.event_nid is not null order by l.pos desc limit 1
    ) last join event e on e.event_nid = last.event_nid`
  return row?.ts ?? undefined
}

/**
 * Makes the state that was put back the beginning of another history: no sync token and no epoch of the one that was lost counts any more
 * (DESIGN.md §3, "Lost commits"). Whoever had a lease is forgotten. One-time keys are thrown away, for some of them may have been
 * given out in the time that was lost, and none may be used twice. May be repeated. Returns how many keys there were.
 */
export async function beginAnew(session: Session): Promise<number> {
  if (!(await checkIncarnation(session))) await raiseIncarnation(session)
  await session.sql`delete from host_lease`
  const keys = await session.sql`delete from one_time_key`
  return keys.count
}
