/** Models `storage/users/devices.ts`. */

import type * as real from '#storage/users/devices.ts'
import { asked } from '../access.ts'

export const readDevices: typeof real.readDevices = (reads, userId) =>
  asked(reads, (tables) =>
    [...tables.devices.values()]
      .filter((row) => row['user_id'] === userId)
      // The casts state what the columns hold.
      .map((row) => ({
        deviceId: row['device_id'] as string,
        displayName: (row['display_name'] as string | null) ?? undefined,
        createdAt: row['created_at'] as number,
        lastSeenTs: (row['last_seen_ts'] as number | null) ?? undefined,
        lastSeenIp: (row['last_seen_ip'] as string | null) ?? undefined,
        keys: (row['keys'] as string | null) ?? undefined,
      }))
      .toSorted((a, b) => a.createdAt - b.createdAt || (a.deviceId < b.deviceId ? -1 : 1)),
  )
