/** Devices and the keys that they uploaded. */

import type { UserId } from '#protocol/ids/user-id.ts'
import type { Reads } from '../reads.ts'

export interface Device {
  readonly deviceId: string
  readonly displayName: string | undefined
  /** Milliseconds. */
  readonly createdAt: number
  /** Milliseconds. */
  readonly lastSeenTs: number | undefined
  readonly lastSeenIp: string | undefined
  /** Device keys as uploaded, JSON; absent: a device without encryption. */
  readonly keys: string | undefined
}

/** A user's devices, in the order in which they came. */
export async function readDevices(reads: Reads, userId: UserId): Promise<Device[]> {
  interface Row {
    readonly deviceId: string
    readonly displayName: string | null
    readonly createdAt: number
    readonly lastSeenTs: number | null
    readonly lastSeenIp: string | null
    readonly keys: string | null
  }
  const rows = await reads.sql<Row[]>`
    select device_id as "deviceId", display_name as "displayName", created_at as "createdAt", last_seen_ts as "lastSeenTs",
      last_seen_ip as "lastSeenIp", keys
    from device where user_id = ${userId} order by created_at, device_id`
  return rows.map((row) => ({
    ...row,
    displayName: row.displayName ?? undefined,
    lastSeenTs: row.lastSeenTs ?? undefined,
    lastSeenIp: row.lastSeenIp ?? undefined,
    keys: row.keys ?? undefined,
  }))
}
