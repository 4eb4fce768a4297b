/** Models `storage/sync/unread.ts`. */

import type * as real from '#storage/sync/unread.ts'
import { logKinds } from '#storage/log-kinds.ts'
import { asked } from '../access.ts'
import { roomLog } from '../rows.ts'

export const readUnreadMarks: typeof real.readUnreadMarks = (reads, userId) =>
  asked(reads, (tables) =>
    tables
      .all('unread')
      .filter((row) => row['user_id'] === userId)
      // The casts state what the columns hold.
      .map((row) => ({
        roomId: row['room_id'] as string,
        pos: row['pos'] as number,
        counts: row['counts'] as string,
      })),
  )

export const readNewestEventsBegin: typeof real.readNewestEventsBegin = async (reads, ranges) => {
  if (ranges.length === 0) return new Map()
  return asked(reads, (tables) => {
    const begins = new Map<number, number>()
    for (const range of ranges) {
      const events = roomLog(tables, range).filter(({ kind }) => kind === logKinds.event)
      const before = events.at(-1 - range.limit)
      if (before !== undefined) begins.set(range.roomNid, before.pos)
    }
    return begins
  })
}
