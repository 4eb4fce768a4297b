/** Read receipts: the last one of each user, type and thread. */

import type { EventId } from '#protocol/ids/event-id.ts'
import type { UserId } from '#protocol/ids/user-id.ts'
import type { Reads } from '../reads.ts'

export interface Receipt {
  readonly roomNid: number
  readonly userId: UserId
  readonly receiptType: string
  /** '' unthreaded, 'main', or the thread's root. */
  readonly threadId: string
  readonly eventId: EventId
  /** Milliseconds. */
  readonly ts: number
  /** The log row that carries it. */
  readonly pos: number
  /** Position of the event read. */
  readonly eventPos: number
}

/** One user's receipts in these rooms. */
export async function readReceiptsOfUser(
  reads: Reads,
  userId: UserId,
  roomNids: readonly number[],
): Promise<Receipt[]> {
  return reads.sql<Receipt[]>`
    select room_nid as "roomNid", user_id as "userId", receipt_type as "receiptType", thread_id as "threadId",
      event_id as "eventId", ts, pos, event_pos as "eventPos"
    from receipt where room_nid = any(${roomNids}::bigint[]) and user_id = ${userId} order by room_nid, pos`
}
