/**
 * A row of a shard's log as the program passes it around: the same shape when it has just been committed and is sent
 * to followers, and when it is read back from Postgres. It is plain data and is never mutated.
 */

import type { EventId } from '#protocol/ids/event-id.ts'
import type { RoomId } from '#protocol/ids/room-id.ts'
import type { UserId } from '#protocol/ids/user-id.ts'
import type { JsonObject } from '#protocol/json/types.ts'
import type { LogKind, Membership } from './log-kinds.ts'

/** An event as clients are told of it. `head` is shared by everybody who is told: it is serialised once. */
export interface StoredEvent {
  /** Event number: unique per event id, without order. */
  readonly nid: number
  readonly eventId: EventId
  readonly type: string
  readonly stateKey: string | undefined
  readonly sender: UserId
  /** Milliseconds. */
  readonly originServerTs: number
  /** Canonical JSON of the PDU, without our late signature; the redacted form once it is redacted. */
  readonly json: string
  /** The device and transaction id of the local client that sent it: `unsigned.transaction_id` for that device. */
  readonly txn: { readonly deviceId: string; readonly txnId: string } | undefined
  /** The event number of the redaction. */
  readonly redactedBy: number | undefined
}

/** One position of one shard's log. */
export interface LogEntry {
  readonly shard: number
  readonly pos: number
  readonly epoch: number
  readonly kind: LogKind
  readonly roomId: RoomId | undefined
  readonly roomNid: number | undefined
  readonly event: StoredEvent | undefined
  /** The one user whom the row concerns. */
  readonly userId: UserId | undefined
  readonly membership: Membership | undefined
  readonly prevMembership: Membership | undefined
  /** Root of the room's current state after this row (`protocol/state/trie.ts`). */
  readonly stateRoot: string | undefined
  /** By kind, see `logKinds`. */
  readonly body: JsonObject | undefined
}

/** The key of an event in its room's order of arrival: live events have sub 0, those fetched later for a gap less. */
export interface RoomPosition {
  readonly pos: number
  readonly sub: number
}
