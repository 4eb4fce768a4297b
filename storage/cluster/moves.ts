/** How shards have changed hands of late, as the statements that claim and release them write it down. */

import type { Reads } from '../reads.ts'

/**
 * - `first`: nobody had owned the shard before.
 * - `handed over`: its owner gave it up in good order, so that another host gets its share.
 * - `cut off`: its owner gave it up because it could not reach the bus, and others could.
 * - `no connections`: its owner gave it up because Postgres gave it no connections for its commits.
 * - `drained`: its owner gave it up because it was told to give up all.
 * - `died`: the process of its owner had ended while its lease still held.
 * - `expired`: its owner had not renewed its lease.
 * - `restored`: the database had lost commits, and every owner with them.
 */
export type MoveReason =
  | 'first'
  | 'handed over'
  | 'cut off'
  | 'no connections'
  | 'drained'
  | 'died'
  | 'expired'
  | 'restored'

export interface ShardMove {
  readonly shard: number
  /** The epoch under which the new owner has it. */
  readonly epoch: number
  /** Host ids with the names that the hosts had; undefined where nobody owned the shard. */
  readonly from: MovedHost | undefined
  readonly to: MovedHost
  readonly why: MoveReason
  /** Epoch milliseconds, by the database's clock. */
  readonly atMs: number
}

export interface MovedHost {
  readonly hostId: number
  /** Undefined for a host that had been forgotten already. */
  readonly name: string | undefined
}

interface Row {
  readonly shard: number
  readonly epoch: number
  readonly fromHost: number | null
  readonly fromName: string | null
  readonly toHost: number
  readonly toName: string
  readonly why: MoveReason
  readonly atMs: number
}

/** The latest moves, the newest first. */
export async function listMoves(reads: Reads, limit: number): Promise<ShardMove[]> {
  const rows = await reads.sql<Row[]>`
    select shard_id as shard, epoch, from_host as "fromHost", from_name as "fromName", to_host as "toHost",
      to_name as "toName", why, (extract(epoch from moved_at) * 1000)::bigint as "atMs"
    from shard_move where moved_at is not null
    order by moved_at desc, shard_id limit ${limit}`
  return rows.map(({ shard, epoch, fromHost, fromName, toHost, toName, why, atMs }) => ({
    shard,
    epoch,
    from: fromHost === null ? undefined : { hostId: fromHost, name: fromName ?? undefined },
    to: { hostId: toHost, name: toName },
    why,
    atMs,
  }))
}
