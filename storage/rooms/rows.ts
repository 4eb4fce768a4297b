/** Rows of the log and of events as the rest of the program knows them. */

import type { EventId } from '#protocol/ids/event-id.ts'
import type { RoomId } from '#protocol/ids/room-id.ts'
import type { UserId } from '#protocol/ids/user-id.ts'
import type { JsonObject } from '#protocol/json/types.ts'
import type { Sql } from '../connection.ts'
import type { LogEntry, StoredEvent } from '../entry.ts'
import { logKindName, membershipName } from '../log-kinds.ts'
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

type Nullable<T> = { readonly [K in keyof T]: T[K] | null }

export interface EntryRow extends Nullable<EventRow> {
  readonly shard_id: number
  readonly pos: number
  readonly epoch: number
  readonly kind: number
  readonly room_id: RoomId | null
  readonly room_nid: number | null
  readonly user_id: UserId | null
  readonly membership: number | null
  readonly prev_membership: number | null
  readonly state_root: Buffer | null
  readonly body: string | null
}

/** Columns of `event e`. */
export function eventColumns({ sql }: Reads): ReturnType<Sql> {
  return sql`e.event_nid, e.event_id, e.type, e.state_key, e.sender, e.origin_server_ts, e.json, e.txn, e.redacted_by`
}

/** Columns of `log l left join event e … left join room r …`. */
export function entryColumns(reads: Reads): ReturnType<Sql> {
  return reads.sql`
    l.shard_id, l.pos, l.epoch, l.kind, r.room_id, l.room_nid, l.user_id, l.membership, l.prev_membership, l.state_root,
    l.body, ${eventColumns(reads)}`
}

/** The joins that `entryColumns` needs after `log l`. */
export function entryJoins({ sql }: Reads): ReturnType<Sql> {
  return sql`left join event e on e.event_nid = l.event_nid left join room r on r.room_nid = l.room_nid`
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

/** The entries of log rows; those of a kind that only a newer program knows are left out. */
export function toEntries(rows: readonly EntryRow[]): LogEntry[] {
  return rows.flatMap((row) => toEntry(row) ?? [])
}

function toEntry(row: EntryRow): LogEntry | undefined {
  const kind = logKindName(row.kind)
  if (kind === undefined) return undefined
  return {
    shard: row.shard_id,
    pos: row.pos,
    epoch: row.epoch,
    kind,
    roomId: row.room_id ?? undefined,
    roomNid: row.room_nid ?? undefined,
    event: hasEvent(row) ? toEvent(row) : undefined,
    userId: row.user_id ?? undefined,
    membership: membershipName(row.membership),
    prevMembership: membershipName(row.prev_membership),
    stateRoot: row.state_root?.toString('base64url'),
    // The cast is sound: bodies are written as JSON objects.
    body: row.body === null ? undefined : (JSON.parse(row.body) as JsonObject),
  }
}

function hasEvent(row: EntryRow): row is EntryRow & EventRow {
  return row.event_id !== null
}
