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
}

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
  }
  const rows = await reads.sql<Row[]>`
    select s.shard_id as shard, s.epoch, s.owner, coalesce(h.expires_at > clock_timestamp(), false) as alive,
      coalesce(h.draining, false) as draining
    from shard s left join host_lease h on h.host_id = s.owner order by s.shard_id`
  return rows.map((row) => ({ ...row, owner: row.owner ?? undefined }))
}

/**
 * Takes shards for a host by compare-and-set: those whose epoch is still the one seen and that nobody alive owns. Returns those
 * taken with their new epochs. A shard's data and last position must be read in later statements, after this has committed.
 * Waits for a commit under way on a shard, at most the role's `lock_timeout`. A host that drains or has expired takes nothing.
 */
export async function claimShards(
  session: Session,
  hostId: number,
  seen: readonly ShardEpoch[],
): Promise<ShardEpoch[]> {
  const shards = seen.map(({ shard }) => shard)
  const epochs = seen.map(({ epoch }) => epoch)
  // Rows are locked in one order, so that two hosts never wait for each other.
  return session.sql<ShardEpoch[]>`
    with free as (
      select s.shard_id
      from shard s join unnest(${shards}::integer[], ${epochs}::bigint[]) as seen (shard_id, epoch)
        on s.shard_id = seen.shard_id and s.epoch = seen.epoch
      where exists (
        select from host_lease where host_id = ${hostId} and not draining and expires_at > clock_timestamp()
      ) and (s.owner is null or host_is_dead(s.owner))
      order by s.shard_id
      for no key update of s
    )
    update shard set owner = ${hostId}, epoch = epoch + 1 from free where shard.shard_id = free.shard_id
    returning shard.shard_id as shard, epoch`
}

/** Gives a shard back, after its last commit. False if the host did not own it under that epoch any more. */
export async function releaseShard(session: Session, hostId: number, owned: ShardEpoch): Promise<boolean> {
  const rows = await session.sql`
    update shard set owner = null
    where shard_id = ${owned.shard} and owner = ${hostId} and epoch = ${owned.epoch} returning shard_id`
  return rows.length === 1
}

/** Owners of shards that are dead: by their lease, or because the session that is their sign of life is gone. */
export async function deadOwners(reads: Reads): Promise<number[]> {
  const rows = await reads.sql<{ owner: number }[]>`
    select owner from (select distinct owner from shard where owner is not null) o where host_is_dead(owner)`
  return rows.map(({ owner }) => owner)
}
