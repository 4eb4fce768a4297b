/**
 * Recognises a database that may have lost commits: a promoted standby or a restored backup. Its sync tokens and epochs may be
 * those of a future that never was, so the incarnation, which every token carries, and all epochs are raised (DESIGN.md §3). One-time
 * keys of devices may have been given out in that future, and none may be used twice: they are thrown away, and devices upload new ones.
 */

import type { Reads } from '../reads.ts'
import type { Sql } from '../connection.ts'
import type { Session } from '../session.ts'

export interface ClusterRow {
  /** Part of every sync token. */
  readonly incarnation: number
  readonly shardCount: number
  readonly serverName: string
}

/** Epochs of one incarnation all lie above those of the one before: nobody claims a shard a million times in between. */
const epochsSkipped = 1_000_000

/** The least epoch that an owner can have in an incarnation: whoever goes by a lesser one goes by a database that is no more. */
export function leastEpoch(incarnation: number): number {
  return (incarnation - 1) * epochsSkipped
}

/**
 * Sequences go back with the rest of the database, and processes that live on hold numbers that it knows nothing of: what is given out
 * from then on lies beyond all of them.
 */
const eventNumbersSkipped = 1_000_000_000
const roomNumbersSkipped = 1_000_000

/** The row of this cluster, or undefined in a database that is no server's yet. */
export async function readCluster(reads: Reads): Promise<ClusterRow | undefined> {
  const [row] = await reads.sql<ClusterRow[]>`
    select incarnation, shard_count as "shardCount", server_name as "serverName" from cluster`
  return row
}

/**
 * Compares the server with the one seen last, and raises incarnation and epochs if it is another: to be called on every new
 * connection before its first write. A change of timeline alone is accepted where replication is declared synchronous
 * (`synchronous_standby_names`), for then nothing acknowledged was lost. Returns true if the incarnation was raised.
 */
export async function checkIncarnation(session: Session): Promise<boolean> {
  const rows = await session.sql`
    with server as (
      select p.system_identifier::text as id, database_timeline() as timeline,
        not (current_setting('synchronous_standby_names') <> '' and c.system_identifier = p.system_identifier::text) as lossy
      from pg_control_system() p, cluster c
    ), moved as (
      update cluster c set system_identifier = s.id, timeline = s.timeline, incarnation = c.incarnation + s.lossy::integer
      from server s where c.system_identifier <> s.id or c.timeline <> s.timeline
      returning s.lossy
    ), raised as (select 1 from moved where lossy)${anotherHistory(session.sql)}`
  return rows.length > 0
}

/** Raises incarnation and epochs on the operator's word, after a disk snapshot was put back. */
export async function raiseIncarnation(session: Session): Promise<void> {
  await session.sql`
    with raised as (
      update cluster set incarnation = incarnation + 1 returning 1
    )${anotherHistory(session.sql)}`
}

/** The end of a statement in which `raised` has a row if the incarnation was raised: what follows from that, and such a row. */
function anotherHistory(sql: Sql): ReturnType<Sql> {
  return sql`, fenced as (
      update shard set epoch = epoch + ${epochsSkipped}::bigint, owner = null where exists (select from raised)
    ), spent as (
      delete from one_time_key where exists (select from raised)
    )
    select setval('event_number', nextval('event_number') + ${eventNumbersSkipped}::bigint),
      setval('room_number', nextval('room_number') + ${roomNumbersSkipped}::bigint)
    from raised`
}
