/** Models `storage/rooms/transactions.ts`. */

import type * as real from '#storage/rooms/transactions.ts'
import { asked } from '../access.ts'
import { eventOf } from '../rows.ts'

export const eventOfTxn: typeof real.eventOfTxn = (reads, key) =>
  asked(reads, (tables) => eventOf(tables, tables.byTxnKey.get(key)?.eventNid ?? null)?.eventId)
