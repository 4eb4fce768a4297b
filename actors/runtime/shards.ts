/** Which shard a key lives in: the same on every host and for ever, for room ids, user ids, server names alike. */

import { createHash } from 'node:crypto'

/** The number of shards of a new database. */
export const defaultShardCount = 64

/** A 64-bit hash of the key, modulo the number of shards. It chooses shards and nothing else. */
export function shardOf(key: string, shardCount: number = defaultShardCount): number {
  const digest = createHash('sha256').update(key).digest()
  return Number(digest.readBigUInt64BE(0) % BigInt(shardCount))
}

/** Adds a shard to a mask of 64 bits. */
export function maskWith(mask: bigint, shard: number): bigint {
  return mask | (1n << BigInt(shard))
}

/** A mask as Postgres keeps it: a signed 64-bit integer in decimal. */
export function maskText(mask: bigint): string {
  return BigInt.asIntN(64, mask).toString()
}
