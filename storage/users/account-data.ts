/** Account data, global and of rooms. */

import type { UserId } from '#protocol/ids/user-id.ts'
import type { Reads } from '../reads.ts'

export interface StoredAccountData {
  /** '' for global data. */
  readonly roomId: string
  readonly type: string
  /** JSON text. */
  readonly content: string
  /** In the log of the user's shard. */
  readonly pos: number
}

/** Everything that a user has stored, in the order in which it last changed. */
export async function readAllAccountData(reads: Reads, userId: UserId): Promise<StoredAccountData[]> {
  return reads.sql<StoredAccountData[]>`
    select room_id as "roomId", type, content, pos from account_data where user_id = ${userId} order by pos`
}

/** The JSON text of one item, or undefined. */
export async function readAccountData(
  reads: Reads,
  userId: UserId,
  item: { readonly roomId: string; readonly type: string },
): Promise<string | undefined> {
  const [row] = await reads.sql<{ content: string }[]>`
    select content from account_data
    where user_id = ${userId} and room_id = ${item.roomId} and type = ${item.type}`
  return row?.content
}
