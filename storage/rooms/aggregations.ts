/**
 * What relates to events and is shown with them. Client-server API v1.19, "Aggregations of child events". Redacted events have no
 * relation rows, so they never count.
 */

import { parseJson } from '#protocol/json/parse.ts'
import type { EventId } from '#protocol/ids/event-id.ts'
import { isJsonObject, objectField, type JsonObject } from '#protocol/json/types.ts'
import { isValidEdit } from '#protocol/relations/relates-to.ts'
import type { StoredEvent } from '../entry.ts'
import type { Reads } from '../reads.ts'
import { eventColumns, toEvent, type EventRow } from './rows.ts'

/** A thread as one reader sees it. */
export interface ThreadAggregate {
  /** The last event of the thread, in the order of arrival. */
  readonly latest: StoredEvent
  /** Without events of users whom the reader ignores. */
  readonly count: number
  readonly participated: boolean
}

export interface Aggregate {
  /** The most recent valid edit. */
  readonly replacement: StoredEvent | undefined
  readonly thread: ThreadAggregate | undefined
  readonly references: readonly EventId[]
}

/** Whose view is wanted. */
export interface AggregateViewer {
  readonly userId: string
  readonly ignoredUsers: ReadonlySet<string>
  /** Whether the reader may see an event at a position of the room's shard. */
  readonly maySee: (pos: number) => boolean
}

type RelatedRow = EventRow & { readonly parent_id: EventId; readonly pos: number }

const maxReferences = 100
const editCandidates = 8

/**
 * Aggregates of those of the events that have any, by event id. Three statements, whatever the number of events, and two more where there
 * are threads.
 */
export async function readAggregates(
  reads: Reads,
  what: {
    readonly roomNid: number
    readonly events: readonly StoredEvent[]
    readonly viewer: AggregateViewer
  },
): Promise<Map<EventId, Aggregate>> {
  const { events, roomNid, viewer } = what
  const ids = events.map((event) => event.eventId)
  if (ids.length === 0) return new Map()
  const [edits, references, threads] = await Promise.all([
    readEdits(reads, roomNid, events, viewer),
    readReferences(reads, roomNid, ids),
    readThreads(reads, roomNid, events, viewer),
  ])
  const aggregates = new Map<EventId, Aggregate>()
  for (const id of ids) {
    const replacement = edits.get(id)
    const thread = threads.get(id)
    const own = references.get(id) ?? []
    if (replacement === undefined && thread === undefined && own.length === 0) continue
    aggregates.set(id, { replacement, thread, references: own })
  }
  return aggregates
}

/** The most recent valid edit of each event that has one. */
export async function readEdits(
  reads: Reads,
  roomNid: number,
  events: readonly StoredEvent[],
  viewer: AggregateViewer,
): Promise<Map<EventId, StoredEvent>> {
  const editable = events.filter((event) => event.stateKey === undefined && event.redactedBy === undefined)
  const edits = new Map<EventId, StoredEvent>()
  if (editable.length === 0) return edits
  const rows = await reads.sql<RelatedRow[]>`
    select p.id as parent_id, x.* from unnest(${editable.map((event) => event.eventId)}::text[],
      ${editable.map((event) => event.sender)}::text[], ${editable.map((event) => event.type)}::text[]) as p(id, sender, type)
    cross join lateral (
      select ${eventColumns(reads)}, r.pos
      from relation r join event e on e.event_nid = r.event_nid
      where r.room_nid = ${roomNid} and r.parent_id = p.id and r.rel_type = 'm.replace' and r.sender = p.sender
        and r.type = p.type
      order by e.origin_server_ts desc, e.event_id desc limit ${editCandidates}
    ) x`
  const originals = new Map(editable.map((event) => [event.eventId, event]))
  for (const row of rows) {
    const original = originals.get(row.parent_id)
    const edit = toEvent(row)
    if (original === undefined || edits.has(original.eventId) || !viewer.maySee(row.pos)) continue
    if (isValidEdit(candidateOf(original), candidateOf(edit))) edits.set(original.eventId, edit)
  }
  return edits
}

function candidateOf(event: StoredEvent): {
  type: string
  sender: string
  state_key: string | undefined
  content: JsonObject
} {
  return { type: event.type, sender: event.sender, state_key: event.stateKey, content: contentOf(event) }
}

/** The content of a stored event, parsed. */
export function contentOf(event: StoredEvent): JsonObject {
  const pdu: unknown = parseJson(event.json)
  return (isJsonObject(pdu) && objectField(pdu, 'content')) || {}
}

async function readReferences(
  reads: Reads,
  roomNid: number,
  ids: readonly EventId[],
): Promise<Map<EventId, EventId[]>> {
  const rows = await reads.sql<{ parent_id: EventId; event_id: EventId }[]>`
    select p.id as parent_id, x.event_id from unnest(${[...ids]}::text[]) as p(id)
    cross join lateral (
      select e.event_id, r.pos from relation r join event e on e.event_nid = r.event_nid
      where r.room_nid = ${roomNid} and r.parent_id = p.id and r.rel_type = 'm.reference'
      order by r.pos limit ${maxReferences}
    ) x
    order by p.id, x.pos`
  const references = new Map<EventId, EventId[]>()
  for (const row of rows) references.getOrInsertComputed(row.parent_id, () => []).push(row.event_id)
  return references
}

async function readThreads(
  reads: Reads,
  roomNid: number,
  events: readonly StoredEvent[],
  viewer: AggregateViewer,
): Promise<Map<EventId, ThreadAggregate>> {
  const ids = events.map((event) => event.eventId)
  const rows = await reads.sql<(RelatedRow & { count: number; participated: boolean })[]>`
    select t.parent_id, t.count, t.participated, t.pos, ${eventColumns(reads)}
    from (
      select parent_id, count(*) as count, bool_or(sender = ${viewer.userId}) as participated,
        (array_agg(event_nid order by pos desc))[1] as last_nid, max(pos) as pos
      from relation
      where room_nid = ${roomNid} and parent_id = any(${ids}::text[]) and rel_type = 'm.thread'
        and sender <> all(${[...viewer.ignoredUsers]}::text[])
      group by parent_id
    ) t join event e on e.event_nid = t.last_nid`
  const senders = new Map(events.map((event) => [event.eventId, event.sender]))
  const threads = new Map<EventId, ThreadAggregate>()
  for (const row of rows) {
    if (!viewer.maySee(row.pos)) continue
    const participated = row.participated || senders.get(row.parent_id) === viewer.userId
    threads.set(row.parent_id, { latest: toEvent(row), count: row.count, participated })
  }
  return threads
}
