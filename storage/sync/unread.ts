/** What unread counts are counted from. */

import type { Reads } from '../reads.ts'

/** Counts of a room up to a position, to count on from. */
export interface UnreadMark {
  readonly roomId: string
  readonly pos: number
  /** JSON text. */
  readonly counts: string
}

/** What is stored of a user's counts. */
export function readUnreadMarks(reads: Reads, userId: string): Promise<readonly UnreadMark[]> {
  return reads.sql<
    UnreadMark[]
  >`select room_id as "roomId", pos, counts from unread where user_id = ${userId}`
}
