/** Who owns which shard. An epoch only grows, and two owners never share one. */

import type { Reads } from '../reads.ts'
import type { Session } from '../session.ts'

export interface ShardOwner {
  readonly shard: number
  readonly epoch: number
  /** Host id. */
  readonly owner: number | undefined
  /** The owner's lease has not expired. */
  readonly alive: boolean
  /** The owner gives its shards away. */
  readonly draining: boolean
  /** Of the program that the owner runs. */
  readonly ownerVersion?: string | undefined
}

/** As long as a session may leave a transaction open (`idle_in_transaction_session_timeout`). */
const halfSaidMs = 2000

/** So many moves of each shard are kept. */
const movesKept = 32

export interface ShardEpoch {
  readonly shard: number
  readonly epoch: number
}

/** All shards, ascending. */
export async function listShards(reads: Reads): Promise<ShardOwner[]> {
  interface Row extends ShardEpoch {
    readonly owner: number | null
    readonly alive: boolean
    readonly draining: boolean
    readonly ownerVersion: string | null
  }
  const rows = await reads.sql<Row[]>`
    select s.shard_id as shard, s.epoch, s.owner, coalesce(h.expires_at > clock_timestamp(), false) as alive,
      coalesce(h.draining, false) as draining, h.version as "ownerVersion"
    from shard s left join host_lease h on h.host_id = s.owner order by s.shard_id`
  return rows.map((row) => ({
    ...row,
    owner: row.owner ?? undefined,
    ownerVersion: row.ownerVersion ?? undefined,
  }))
}

/**
 * Takes shards for a host by compare-and-set: those whose epoch is still the one seen and that nobody alive owns. Returns those
 * taken with their new epochs. A shard's data and last position must be read in later statements, after this has committed.
 * What somebody else is about to write is left for the next time, for it need not be somebody who ever goes on. A host that drains or has
 * expired takes nothing.
 */
export async function claimShards(
  session: Session,
  hostId: number,
  seen: readonly ShardEpoch[],
): Promise<ShardEpoch[]> {
  const shards = seen.map(({ shard }) => shard)
  const epochs = seen.map(({ epoch }) => epoch)
  const claimed = await session.sql<ShardEpoch[]>`
    with free as (
      select s.shard_id, s.owner, s.epoch
      from shard s join unnest(${shards}::integer[], ${epochs}::bigint[]) as seen (shard_id, epoch)
        on s.shard_id = seen.shard_id and s.epoch = seen.epoch
      where exists (
        select from host_lease where host_id = ${hostId} and not draining and expires_at > clock_timestamp()
      ) and (s.owner is null or host_is_dead(s.owner))
      order by s.shard_id
      for no key update of s skip locked
    ), claimed as (
      update shard set owner = ${hostId}, epoch = shard.epoch + 1 from free where shard.shard_id = free.shard_id
      returning shard.shard_id, shard.epoch
    ), moved as (
      insert into shard_move (shard_id, epoch, from_host, from_name, to_host, to_name, why, moved_at)
      select f.shard_id, f.epoch + 1, f.owner, was.name, me.host_id, me.name, case
          when f.owner is null then case when f.epoch = 0 then 'first' else 'restored' end
          when was.expires_at > clock_timestamp() then 'died' else 'expired'
        end, clock_timestamp()
      from free f left join host_lease was on was.host_id = f.owner, host_lease me where me.host_id = ${hostId}
      on conflict (shard_id, epoch) do update
        set to_host = excluded.to_host, to_name = excluded.to_name, moved_at = excluded.moved_at
    ), forgotten as (
      delete from shard_move m using free f where m.shard_id = f.shard_id and m.epoch <= (
        select o.epoch from shard_move o where o.shard_id = f.shard_id order by o.epoch desc offset ${movesKept}::integer limit 1
      )
    )
    select shard_id as shard, epoch from claimed`
  if (claimed.length < seen.length) await endHalfSaid(session)
  return claimed
}

/**
 * Ends sessions of servers that have written and then wait for the end of their request for longer than a transaction may be left open.
 * A server that stands still or is cut off when its request has arrived but for the end holds its shards, and no limit of Postgres applies:
 * to the statement it has ended, and to the transaction it has not.
 */
async function endHalfSaid(session: Session): Promise<void> {
  await session.sql`
    select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and usename = current_user and application_name like 'troupe %'
      and backend_xid is not null and wait_event = 'ClientRead'
      and state_change < clock_timestamp() - ${halfSaidMs}::integer * interval '1 ms'`
}

/** Gives a shard back, after its last commit. False if the host did not own it under that epoch any more. */
export async function releaseShard(session: Session, hostId: number, owned: ShardEpoch): Promise<boolean> {
  const rows = await session.sql`
    with released as (
      update shard set owner = null
      where shard_id = ${owned.shard} and owner = ${hostId} and epoch = ${owned.epoch} returning shard_id, epoch
    ), moved as (
      insert into shard_move (shard_id, epoch, from_host, from_name, why)
      select r.shard_id, r.epoch + 1, ${hostId}, h.name, case
          when h.draining then 'drained'
          when to_jsonb(h) ->> 'condition' in ('cut off', 'no connections') then to_jsonb(h) ->> 'condition'
          else 'handed over'
        end
      from released r left join host_lease h on h.host_id = ${hostId}
      on conflict do nothing
    )
    select shard_id from released`
  return rows.length === 1
}

/**
 * Hosts that own shards or have a lease and are dead all the same: because the lease is over, or because the session that is their sign
 * of life is gone. A host that owns nothing is among them, for otherwise shards would be kept for it until its lease ends.
 */
export async function deadHosts(reads: Reads): Promise<number[]> {
  const rows = await reads.sql<{ host: number }[]>`
    select host from (
      select owner as host from shard where owner is not null union select host_id from host_lease
    ) h where host_is_dead(host)`
  return rows.map(({ host }) => host)
}
