/** Device keys of many users at once, as `/keys/query` tells them. */

import type { UserId } from '#protocol/ids/user-id.ts'
import type { Reads } from '../reads.ts'

export interface DeviceKeys {
  readonly userId: UserId
  readonly deviceId: string
  readonly displayName: string | undefined
  /** JSON text as uploaded. */
  readonly keys: string
}

interface DeviceKeysRow {
  user_id: UserId
  device_id: string
  display_name: string | null
  keys: string
}

/** All devices with keys of some users. */
export async function readDeviceKeys(reads: Reads, userIds: readonly UserId[]): Promise<DeviceKeys[]> {
  const rows = await reads.sql<DeviceKeysRow[]>`
    select user_id, device_id, display_name, keys from device
    where user_id = any(${[...userIds]}::text[]) and keys is not null
    order by user_id, device_id`
  return rows.map((row) => ({
    userId: row.user_id,
    deviceId: row.device_id,
    displayName: row.display_name ?? undefined,
    keys: row.keys,
  }))
}
