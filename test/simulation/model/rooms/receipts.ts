/** Models `storage/rooms/receipts.ts`. */

import type * as real from '#storage/rooms/receipts.ts'
import { asked } from '../access.ts'
import { receiptsOf } from '../receipt-rows.ts'

export const readReceiptsOfUser: typeof real.readReceiptsOfUser = (reads, userId, roomNids) =>
  asked(reads, (tables) =>
    receiptsOf(tables, (receipt) => receipt.userId === userId && roomNids.includes(receipt.roomNid)).toSorted(
      (a, b) => a.roomNid - b.roomNid || a.pos - b.pos,
    ),
  )
