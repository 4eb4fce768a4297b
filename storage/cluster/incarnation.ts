/**
 * Recognises a database that may have lost commits: a promoted standby or a restored backup. Its sync tokens and epochs may be
 * those of a future that never was, so the incarnation, which every token carries, and all epochs are raised (DESIGN.md §3). One-time
 * keys of devices may have been given out in that future, and none may be used twice: they are thrown away, and devices upload new ones.
 */

import { incarnationBegan } from '../events.ts'
import type { Reads } from '../reads.ts'
import type { Sql } from '../connection.ts'
import type { Session } from '../session.ts'
import { newestEventMs } from './newest-event.ts'

export interface ClusterRow {
  /** Part of every sync token. */
  readonly incarnation: number
  readonly shardCount: number
  readonly serverName: string
}

/**
 * An incarnation is the second of the database's clock in which it began, since 1970, so that two never have the same one, nor a later one
 * a lesser one: also where a second standby knows nothing of the incarnation that a first one began. (Where the clock says too little it
 * is one more than the one before. Clocks of servers may differ by less than the time between two failovers.)
 *
 * Epochs, event numbers and room numbers of an incarnation begin at so many times it, and so lie above whatever was given out before:
 * nobody claims a shard a million times, or takes a million numbers a second. They go back with the rest of the database, while processes
 * that live on hold some that it knows nothing of. All of them are safe integers until the year 2255.
 */
const perIncarnation = 1_000_000

/** The least epoch that an owner can have in an incarnation: whoever goes by a lesser one goes by a database that is no more. */
export function leastEpoch(incarnation: number): number {
  return (incarnation - 1) * perIncarnation
}

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
      update cluster c set system_identifier = s.id, timeline = s.timeline,
        incarnation = case when s.lossy then ${nextIncarnation(session.sql)} else c.incarnation end
      from server s where c.system_identifier <> s.id or c.timeline <> s.timeline
      returning s.lossy, c.incarnation
    ), raised as (select incarnation from moved where lossy)${anotherHistory(session.sql)}`
  if (rows.length > 0) await tell(session)
  return rows.length > 0
}

/** A shard as somebody holds it in memory. */
export interface HeldShard {
  readonly shard: number
  readonly epoch: number
  /** The greatest position that is known to be in its log. */
  readonly position: number
}

/**
 * Whether the database still is the one that these shards are held of: the server seen last, these epochs, and logs that reach as far.
 * False: it has gone back, or somebody else has one of the shards.
 */
export async function bearsOut(reads: Reads, held: readonly HeldShard[]): Promise<boolean> {
  const shards = held.map(({ shard }) => shard)
  const epochs = held.map(({ epoch }) => epoch)
  const positions = held.map(({ position }) => position)
  const [row] = await reads.sql<{ same: boolean; wrong: boolean }[]>`
    select c.system_identifier = p.system_identifier::text and c.timeline = database_timeline() as same, exists (
        select from unnest(${shards}::integer[], ${epochs}::bigint[], ${positions}::bigint[]) as h (shard_id, epoch, pos)
        left join shard s on s.shard_id = h.shard_id and s.epoch = h.epoch
        where s.shard_id is null or h.pos > coalesce((
          select l.pos from log l where l.shard_id = h.shard_id order by l.shard_id desc, l.pos desc limit 1
        ), 0)
      ) as wrong
    from cluster c, pg_control_system() p`
  return row !== undefined && row.same && !row.wrong
}

/** Raises incarnation and epochs on the operator's word, after a disk snapshot was put back. */
export async function raiseIncarnation(session: Session): Promise<void> {
  await session.sql`
    with raised as (
      update cluster c set incarnation = ${nextIncarnation(session.sql)} returning c.incarnation
    )${anotherHistory(session.sql)}`
  await tell(session)
}

/** Says how far the history goes now. What was just done stands, also where that cannot be found out. */
async function tell(session: Session): Promise<void> {
  incarnationBegan({ newestEventMs: await newestEventMs(session).catch(() => undefined) })
}

/** The incarnation that begins now, as an expression over a row `c` of `cluster`. */
function nextIncarnation(sql: Sql): ReturnType<Sql> {
  return sql`greatest(c.incarnation + 1, floor(extract(epoch from clock_timestamp()))::bigint)`
}

/** The end of a statement in which `raised` has the new incarnation if it was raised: what follows from that, and such a row. */
function anotherHistory(sql: Sql): ReturnType<Sql> {
  return sql`, fenced as (
      update shard set epoch = greatest(epoch + 1, (r.incarnation - 1) * ${perIncarnation}::bigint), owner = null
      from raised r
    ), spent as (
      delete from one_time_key where exists (select from raised)
    )
    select setval('event_number', greatest(nextval('event_number') + ${perIncarnation}::bigint, least)),
      setval('room_number', greatest(nextval('room_number') + ${perIncarnation}::bigint, least))
    from (select incarnation * ${perIncarnation}::bigint as least from raised) numbers`
}
