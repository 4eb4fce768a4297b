/** Events by number. */

import type { EventId } from '#protocol/ids/event-id.ts'
import type { UserId } from '#protocol/ids/user-id.ts'
import type { StoredEvent } from '../entry.ts'
import type { Reads } from '../reads.ts'

/** Columns of `event`, as the driver gives them. */
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

/** The event that a row holds. */
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

/** Device ids have no space, transaction ids may. */
function toTxn(text: string | null): StoredEvent['txn'] {
  if (text === null) return undefined
  const space = text.indexOf(' ')
  return { deviceId: text.slice(0, space), txnId: text.slice(space + 1) }
}

/** The events with these numbers, in no order; what is not there is left out. */
export async function readEvents(reads: Reads, nids: readonly number[]): Promise<StoredEvent[]> {
  if (nids.length === 0) return []
  const rows = await reads.sql<EventRow[]>`
    select event_nid, event_id, type, state_key, sender, origin_server_ts, json, txn, redacted_by
    from event where event_nid = any(${[...nids]}::bigint[])`
  return rows.map(toEvent)
}

/** Those of the numbers whose events are not `m.room.member`. */
export async function readNumbersWithoutMembers(reads: Reads, nids: readonly number[]): Promise<number[]> {
  if (nids.length === 0) return []
  const rows = await reads.sql<{ event_nid: number }[]>`
    select event_nid from event where event_nid = any(${[...nids]}::bigint[]) and type <> 'm.room.member'`
  return rows.map((row) => row.event_nid)
}

/** Which of these events anything relates to. */
export async function readRelatedIds(
  reads: Reads,
  events: readonly { readonly roomNid: number; readonly eventId: string }[],
): Promise<ReadonlySet<string>> {
  if (events.length === 0) return new Set()
  const rows = await reads.sql<{ id: string }[]>`
    select p.id from unnest(${events.map((event) => event.roomNid)}::bigint[], ${events.map((event) => event.eventId)}::text[])
      as p(nid, id)
    where exists (select from relation r where r.room_nid = p.nid and r.parent_id = p.id)`
  return new Set(rows.map((row) => row.id))
}
