/** Rows of `event` as the rest of the program knows them. */

import type { EventId } from '#protocol/ids/event-id.ts'
import type { UserId } from '#protocol/ids/user-id.ts'
import type { Sql } from '../connection.ts'
import type { StoredEvent } from '../entry.ts'
import type { Reads } from '../reads.ts'

// The casts to ids below are sound: what is stored was an id when it was written.

export interface EventRow {
  readonly event_nid: number
  readonly event_id: EventId
  readonly type: string
  readonly state_key: string | null
  readonly sender: UserId
  readonly origin_server_ts: number
  readonly json: string
  readonly txn: string | null
  readonly redacted_by: number | null
}

/** Columns of `event e`. */
export function eventColumns({ sql }: Reads): ReturnType<Sql> {
  return sql`e.event_nid, e.event_id, e.type, e.state_key, e.sender, e.origin_server_ts, e.json, e.txn, e.redacted_by`
}

/** The event of a row of `event`. */
export function toEvent(row: EventRow): StoredEvent {
  return {
    nid: row.event_nid,
    eventId: row.event_id,
    type: row.type,
    stateKey: row.state_key ?? undefined,
    sender: row.sender,
    originServerTs: row.origin_server_ts,
    json: row.json,
    txn: toTxn(row.txn),
    redactedBy: row.redacted_by ?? undefined,
  }
}

/** "device txnId" as two; device ids have no space, transaction ids may. */
function toTxn(text: string | null): StoredEvent['txn'] {
  if (text === null) return undefined
  const space = text.indexOf(' ')
  return { deviceId: text.slice(0, space), txnId: text.slice(space + 1) }
}
