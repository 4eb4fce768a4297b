/** Models `storage/rooms/events.ts`. */

import type * as real from '#storage/rooms/events.ts'
import { asked } from '../access.ts'
import { eventOf } from '../rows.ts'

export const readEventsByNid: typeof real.readEventsByNid = async (reads, nids) =>
  nids.length === 0
    ? []
    : asked(reads, (tables) => [...new Set(nids)].flatMap((nid) => eventOf(tables, nid) ?? []))
