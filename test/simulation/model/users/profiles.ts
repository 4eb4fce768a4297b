/** Models `storage/users/profiles.ts`. */

import type * as real from '#storage/users/profiles.ts'
import { asked } from '../access.ts'

export const readProfiles: typeof real.readProfiles = (reads, userIds) =>
  asked(reads, (tables) => {
    const profiles: Awaited<ReturnType<typeof real.readProfiles>> = new Map()
    for (const userId of userIds) {
      const rows = tables.all('profile').filter((row) => row['user_id'] === userId)
      if (rows.length === 0) continue
      const fields = rows
        .map((row): [string, string] => [String(row['key']), String(row['value'])])
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
      profiles.set(userId, new Map(fields))
    }
    return profiles
  })

export const readProfile: typeof real.readProfile = async (reads, userId) =>
  (await readProfiles(reads, [userId])).get(userId) ?? new Map()
