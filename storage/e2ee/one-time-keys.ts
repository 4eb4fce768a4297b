/** One-time and fallback keys of devices. The user's actor gives them out; here they are only read. */

import type { UserId } from '#protocol/ids/user-id.ts'
import type { Reads } from '../reads.ts'

/** One device of one user. */
export interface DeviceAddress {
  readonly userId: UserId
  readonly deviceId: string
}

export interface StoredKey {
  readonly algorithm: string
  readonly keyId: string
  /** As uploaded. */
  readonly json: string
}

export interface KnownKey extends StoredKey {
  /** It was given out within a day, and is in store no more. */
  readonly claimed: boolean
}

export interface FallbackKey extends StoredKey {
  readonly used: boolean
}

/** How many one-time keys a device has: algorithm → count. */
export async function readKeyCounts(reads: Reads, device: DeviceAddress): Promise<Map<string, number>> {
  const rows = await reads.sql<{ algorithm: string; n: number }[]>`
    select algorithm, count(*) as n from one_time_key
    where user_id = ${device.userId} and device_id = ${device.deviceId} group by algorithm`
  return new Map(rows.map((row) => [row.algorithm, row.n]))
}

/** The one-time key of a device that was uploaded first, or undefined. */
export async function readOldestKey(
  reads: Reads,
  device: DeviceAddress,
  algorithm: string,
): Promise<StoredKey | undefined> {
  const [key] = await reads.sql<StoredKey[]>`
    select algorithm, key_id as "keyId", json from one_time_key
    where user_id = ${device.userId} and device_id = ${device.deviceId} and algorithm = ${algorithm}
    order by seq, key_id limit 1`
  return key
}

/**
 * Those of the named keys, each `algorithm:keyId`, that a device has or has had. One may be both: given out, and uploaded again as another
 * key.
 */
export async function readKeysById(
  reads: Reads,
  device: DeviceAddress,
  names: readonly string[],
): Promise<KnownKey[]> {
  if (names.length === 0) return []
  const wanted = [...names]
  return reads.sql<KnownKey[]>`
    select algorithm, key_id as "keyId", json, false as claimed from one_time_key
    where user_id = ${device.userId} and device_id = ${device.deviceId} and algorithm || ':' || key_id = any(${wanted}::text[])
    union all
    select algorithm, key_id, json, true from claimed_key
    where user_id = ${device.userId} and device_id = ${device.deviceId} and algorithm || ':' || key_id = any(${wanted}::text[])`
}

/** The greatest number that a one-time key of the user bears; 0 if he has none. */
export async function readLastKeyNumber(reads: Reads, userId: UserId): Promise<number> {
  const [row] = await reads.sql<{ seq: number }[]>`
    select coalesce(max(seq), 0) as seq from one_time_key where user_id = ${userId}`
  return row?.seq ?? 0
}

/** The fallback keys of a device, used or not. */
export async function readFallbackKeys(reads: Reads, device: DeviceAddress): Promise<FallbackKey[]> {
  return reads.sql<FallbackKey[]>`
    select algorithm, key_id as "keyId", json, used from fallback_key
    where user_id = ${device.userId} and device_id = ${device.deviceId} order by algorithm`
}
