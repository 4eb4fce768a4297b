/** What happened in one room between two positions, wherever it was read: in a ring or in Postgres. */

import type { LogEntry, StoredEvent } from '#storage/entry.ts'
import { type MemberNews, memberNewsOf } from '#storage/sync/device-lists.ts'

/** An entry that has an event. */
export type EventEntry = LogEntry & { readonly event: StoredEvent }

/** The body of a row of kind `receipt`. */
export interface ReceiptBody {
  readonly userId: string
  readonly receiptType: string
  /** '' for an unthreaded receipt. */
  readonly threadId: string
  readonly eventId: string
  /** Milliseconds since the epoch. */
  readonly ts: number
  readonly eventPos: number
}

export interface RoomDelta extends MemberNews {
  /** The state changed otherwise than by the events. */
  readonly resolved: boolean
  readonly receipts: readonly ReceiptBody[]
}

/** The part of a room's timeline that a client is told. */
export interface Timeline {
  /** Ascending, filtered. */
  readonly events: readonly EventEntry[]
  /** Whether events of the range are left out before the first one. */
  readonly limited: boolean
  /** Position directly before which the timeline begins; where it is empty, one more than the range's end. */
  readonly startsAt: number
}

export const emptyDelta: RoomDelta = { memberRows: [], deviceUsers: [], resolved: false, receipts: [] }

export function isEventEntry(entry: LogEntry): entry is EventEntry {
  return entry.event !== undefined
}

/** The delta of consecutive rows of a room. */
export function deltaOf(entries: readonly LogEntry[]): RoomDelta {
  return {
    ...memberNewsOf(entries),
    resolved: entries.some((entry) => entry.kind === 'state'),
    // The cast states what rows of this kind carry (`actors/room/receipts.ts`).
    receipts: entries.flatMap(({ body, kind }) =>
      kind === 'receipt' && body !== undefined ? [body as unknown as ReceiptBody] : [],
    ),
  }
}
