/** Harm done to the sessions and rows of a database from beside, and what of it can be seen there. */

import { setTimeout as delay } from 'node:timers/promises'
import type { TransactionSql } from 'postgres'
import type { Database } from '#storage/pool.ts'

const pollMs = 10

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
    await sleepWithin(sql, seconds)
  })
}

/** As an operator's psql that has begun a transaction and is left alone: holds the row of the busiest shard of that host for so long. */
export async function lockShardOf(beside: Database, hostName: string, seconds: number): Promise<void> {
  await beside.control.sql.begin(async (sql) => {
    await sql`
      select from shard where shard_id = (
        select s.shard_id from shard s join log l using (shard_id)
        where s.owner in (select host_id from host_lease where name = ${hostName})
        group by s.shard_id order by count(*) desc limit 1
      ) for update`
    await sleepWithin(sql, seconds)
  })
}

/** Lets time pass in a transaction, in statements that are shorter than one may take. */
async function sleepWithin(sql: TransactionSql, seconds: number): Promise<void> {
  for (let left = seconds; left > 0; left--)
    await sql`select pg_sleep(${Math.min(1, left)}::double precision)`
}

/** Where a host's transaction stands that has taken the rows of its shards and cannot go on. */
export type Stuck = 'waits for a lock' | 'waits for its client'

/**
 * Resolves as soon as a commit of that host is stuck, or of any host where none is named, with the name of the host. Rejects after the
 * limit.
 */
export async function stuckCommit({ reads }: Database, stuck: Stuck, limitMs: number): Promise<string> {
  const endMs = performance.now() + limitMs
  const event = stuck === 'waits for a lock' ? 'Lock' : 'Client'
  for (;;) {
    const [row] = await reads.sql<{ host: string }[]>`
      select substring(application_name from '^troupe (.*) commit [0-9]+$') as host from pg_stat_activity
      where datname = current_database() and application_name ~ '^troupe .* commit [0-9]+$'
        and wait_event_type = ${event} and backend_xid is not null`
    if (row !== undefined) return row.host
    if (performance.now() > endMs) throw new Error(`after ${limitMs} ms no commit ${stuck}`)
    await delay(pollMs)
  }
}

/** Rows of the logs that bear an older epoch than one before them: what a paused host wrote after its successor, if it could. */
export async function writesOfOldEpochs({ reads }: Database): Promise<number> {
  const [row] = await reads.sql<{ rows: number }[]>`
    select count(*) as rows from (
      select epoch, max(epoch) over (partition by shard_id order by pos) as newest from log
    ) l where epoch < newest`
  return row?.rows ?? 0
}
