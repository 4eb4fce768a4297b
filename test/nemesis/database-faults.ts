/** Harm done to the sessions and rows of a database from beside, and what of it can be seen there. */

import type { Database } from '#storage/pool.ts'

/** Ends every session of this database that is a server's. */
export async function dropSessions(beside: Database): Promise<void> {
  await beside.control.sql`
    select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and application_name like 'troupe %'`
}

/** As an operator might who does not know better: the shards of a host have no owner any more, and it is not told. */
export async function takeShardsAway(beside: Database, hostName: string): Promise<void> {
  await beside.control.sql`
    update shard set owner = null where owner in (select host_id from host_lease where name = ${hostName})`
}

/** Holds a lock on the table of events against all writers for so long. */
export async function lockEvents(beside: Database, seconds: number): Promise<void> {
  await beside.control.sql.begin(async (sql) => {
    await sql`lock table event in exclusive mode`
    await sql`select pg_sleep(${seconds}::integer)`
  })
}

/** Rows of the logs that bear an older epoch than one before them: what a paused host wrote after its successor, if it could. */
export async function writesOfOldEpochs({ reads }: Database): Promise<number> {
  const [row] = await reads.sql<{ rows: number }[]>`
    select count(*) as rows from (
      select epoch, max(epoch) over (partition by shard_id order by pos) as newest from log
    ) l where epoch < newest`
  return row?.rows ?? 0
}
