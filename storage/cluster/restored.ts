/** What has to be done to a database that an operator has put back, before a process of Troupe uses it again. */

import type { Reads } from '../reads.ts'
import type { Session } from '../session.ts'
import { checkIncarnation, raiseIncarnation } from './incarnation.ts'

/**
 * Programs that are connected to the database and call themselves Troupe's, but for the command that asks, whose connections begin with
 * `ownName`, and the keeper of an embedded server, of whom there is only one.
 */
export async function connectedProcesses(reads: Reads, ownName: string): Promise<string[]> {
  const rows = await reads.sql<{ name: string }[]>`
    select distinct application_name as name from pg_stat_activity
    where datname = current_database() and application_name like 'troupe %'
      and not application_name like any(${[`${ownName} %`, 'troupe process %']}::text[])
    order by 1`
  return rows.map(({ name }) => name)
}

/**
 * Makes the state that was put back the beginning of another history: no sync token and no epoch of the one that was lost counts any more
 * (DESIGN.md §3, "Lost commits"). Whoever had a lease is forgotten. May be repeated.
 */
export async function beginAnew(session: Session): Promise<void> {
  if (!(await checkIncarnation(session))) await raiseIncarnation(session)
  await session.sql`delete from host_lease`
}
