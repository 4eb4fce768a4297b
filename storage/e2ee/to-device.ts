/** Inboxes of devices. */

import type { UserId } from '#protocol/ids/user-id.ts'
import type { Reads } from '../reads.ts'

export interface StoredToDevice {
  /** In the log of the user's shard. */
  readonly pos: number
  readonly sub: number
  /** JSON text: {content, sender, type}. */
  readonly message: string
}

export interface InboxPage {
  readonly deviceId: string
  /** Only messages of later positions. */
  readonly after: number
  readonly limit: number
}

/** The oldest messages of a device, in order. Several may share a position. */
export async function readToDevice(reads: Reads, userId: UserId, page: InboxPage): Promise<StoredToDevice[]> {
  return reads.sql<StoredToDevice[]>`
    select pos, sub, message from to_device
    where user_id = ${userId} and device_id = ${page.deviceId} and pos > ${page.after}
    order by pos, sub limit ${page.limit}`
}

/** Position of the newest message of each device that has any. */
export async function readInboxHeads(reads: Reads, userId: UserId): Promise<Map<string, number>> {
  const rows = await reads.sql<{ device_id: string; pos: number }[]>`
    select device_id, max(pos) as pos from to_device where user_id = ${userId} group by device_id`
  return new Map(rows.map((row) => [row.device_id, row.pos]))
}
