import type { EventId } from '#protocol/ids/event-id.ts'
import type { UserId } from '#protocol/ids/user-id.ts'

/** The `body` of a log row of kind `receipt`. A private receipt's row also carries its user, who alone is told. */
export interface ReceiptBody {
  readonly userId: UserId
  readonly receiptType: 'm.read' | 'm.read.private'
  /** '' for an unthreaded receipt, `main`, or the thread's root. */
  readonly threadId: string
  readonly eventId: EventId
  /** Milliseconds since the epoch. */
  readonly ts: number
  /** Position of the event read, in the shard of the row. */
  readonly eventPos: number
}
