/** Rows of `receipt`, by the names that the program uses. */

import type { Receipt } from '#storage/rooms/receipts.ts'
import type { Tables } from './tables.ts'

export function receiptsOf(tables: Tables, fits: (receipt: Receipt) => boolean): Receipt[] {
  return tables
    .all('receipt')
    .map((row) => ({
      // The casts state what the columns hold.
      roomNid: row['room_nid'] as number,
      userId: row['user_id'] as Receipt['userId'],
      receiptType: row['receipt_type'] as string,
      threadId: row['thread_id'] as string,
      eventId: row['event_id'] as Receipt['eventId'],
      ts: row['ts'] as number,
      pos: row['pos'] as number,
      eventPos: row['event_pos'] as number,
    }))
    .filter(fits)
}
