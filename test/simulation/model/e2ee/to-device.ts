/** Models `storage/e2ee/to-device.ts`. */

import type * as real from '#storage/e2ee/to-device.ts'
import { asked } from '../access.ts'
import type { Row, Tables } from '../tables.ts'

export const readToDevice: typeof real.readToDevice = (reads, userId, page) =>
  asked(reads, (tables) =>
    inboxOf(tables, userId)
      .filter((row) => row['device_id'] === page.deviceId && Number(row['pos']) > page.after)
      // The casts state what the columns hold.
      .map((row) => ({
        pos: row['pos'] as number,
        sub: row['sub'] as number,
        message: row['message'] as string,
      }))
      .toSorted((a, b) => a.pos - b.pos || a.sub - b.sub)
      .slice(0, page.limit),
  )

export const readInboxHeads: typeof real.readInboxHeads = (reads, userId) =>
  asked(reads, (tables) => {
    const heads = new Map<string, number>()
    for (const row of inboxOf(tables, userId)) {
      const deviceId = String(row['device_id'])
      heads.set(deviceId, Math.max(heads.get(deviceId) ?? 0, Number(row['pos'])))
    }
    return heads
  })

function inboxOf(tables: Tables, userId: string): Row[] {
  return tables.all('to_device').filter((row) => row['user_id'] === userId)
}
