/** What the logs say: the measure of everything that a client was told. It is recomputed from the rows, never asked of an actor. */

import { memberships, membershipName, type Membership } from '#storage/log-kinds.ts'
import type { Server } from './server.ts'
import type { LogRecord, Row, Tables } from './model/tables.ts'

/** So long after a failover processes may act on what was before. Milliseconds. */
export const staleMs = 6000

export interface LoggedEvent {
  readonly record: LogRecord
  readonly eventId: string
  readonly type: string
  readonly stateKey: string | null
  readonly sender: string
  readonly json: string
}

/** The events of a room in the order of the log. */
export function eventsOf(tables: Tables, roomId: string): LoggedEvent[] {
  return logOf(tables, roomId).flatMap((record) => {
    const row = record.eventNid === null ? undefined : tables.events.get(record.eventNid)
    return row === undefined ? [] : [loggedEvent(record, row)]
  })
}

function loggedEvent(record: LogRecord, row: Row): LoggedEvent {
  return {
    record,
    eventId: String(row['event_id']),
    type: String(row['type']),
    // The cast states what the column holds.
    stateKey: row['state_key'] as string | null,
    sender: String(row['sender']),
    json: String(row['json']),
  }
}

/** Every row of a room's log that there ever was. */
export function logOf(tables: Tables, roomId: string): readonly LogRecord[] {
  return tables.historyOfRooms.get(tables.roomIds.get(roomId) ?? -1) ?? []
}

/** A room's state after all of its events: type and state key → event id. */
export function stateOf(events: readonly LoggedEvent[]): Map<string, string> {
  const state = new Map<string, string>()
  for (const event of events)
    if (event.stateKey !== null) state.set(`${event.type} ${event.stateKey}`, event.eventId)
  return state
}

/** A user's rows of membership in a room that changed it, ascending. */
export function membershipChanges(tables: Tables, roomId: string, userId: string): LogRecord[] {
  return logOf(tables, roomId).filter(
    (row) => row.userId === userId && row.membership !== null && row.membership !== row.prevMembership,
  )
}

export function membershipOf(tables: Tables, roomId: string, userId: string): Membership | undefined {
  return membershipName(membershipChanges(tables, roomId, userId).at(-1)?.membership ?? null)
}

/** How many messages of others a member has not read, by the default rules: each one notifies. */
export function unreadOf(tables: Tables, roomId: string, userId: string): number {
  const joined = membershipChanges(tables, roomId, userId).at(-1)
  if (joined?.membership !== memberships.join) return 0
  const receipt = tables.get('receipt', tables.roomIds.get(roomId), userId, 'm.read', '')
  const readUpTo = Math.max(joined.pos, Number(receipt?.['event_pos'] ?? 0))
  return eventsOf(tables, roomId).filter(
    (event) => event.type === 'm.room.message' && event.sender !== userId && event.record.pos > readUpTo,
  ).length
}

/** Ids of events whose commits the server has lost by going back. */
export class LostEvents {
  readonly #server: Server
  readonly #ids = new Set<string>()

  constructor(server: Server) {
    this.#server = server
  }

  /** To be called around a failover: `before` are the ids that were there. */
  lose(before: ReadonlySet<string>): void {
    for (const eventId of before) if (!this.#server.tables.eventIds.has(eventId)) this.#ids.add(eventId)
  }

  has(eventId: string): boolean {
    return this.#ids.has(eventId) && !this.#server.tables.eventIds.has(eventId)
  }
}
