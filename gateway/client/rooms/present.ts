/**
 * Events as clients get them: text that is put together and never parsed again. What is said of an event to this reader (`unsigned`) is
 * read for a whole page in a few statements.
 */

import { parseJson } from '#protocol/json/parse.ts'
import { clientEventJson, joinClientEvent } from '#protocol/events/client-format.ts'
import type { Pdu } from '#protocol/events/pdu.ts'
import { unsignedText, type Unsigned } from '#protocol/events/present.ts'
import type { EventId } from '#protocol/ids/event-id.ts'
import { canonicalJson } from '#protocol/json/canonical.ts'
import { bundleRelations } from '#protocol/relations/bundle.ts'
import type { StoredEvent } from '#storage/entry.ts'
import {
  contentOf,
  readAggregates,
  readEdits,
  type Aggregate,
  type AggregateViewer,
} from '#storage/rooms/aggregations.ts'
import { readEventsByNid } from '#storage/rooms/events.ts'
import { ignoredUsers } from '#storage/rooms/ignored-users.ts'
import type { PlacedEvent } from '#storage/rooms/placed-events.ts'
import { rootsAt } from '#storage/rooms/rooms.ts'
import type { UserRequest } from './request.ts'
import { stateReader } from './state-reader.ts'
import type { RoomSight } from './visible.ts'

type Reader = Pick<UserRequest, 'reads' | 'clock' | 'requester'>

/** What a page of events is shown with. */
interface Surroundings {
  readonly aggregates: ReadonlyMap<EventId, Aggregate>
  /** Edits of the threads' latest events. */
  readonly edits: ReadonlyMap<EventId, StoredEvent>
  /** Events that were replaced, by the number of the state event that replaced them. */
  readonly previous: ReadonlyMap<number, StoredEvent>
  /** Redactions by number. */
  readonly redactions: ReadonlyMap<number, StoredEvent>
}

/** The client JSON texts of events, in their order, with everything that the specification puts beside them. */
export async function presentEvents(
  reader: Reader,
  sight: RoomSight,
  placed: readonly PlacedEvent[],
): Promise<string[]> {
  if (placed.length === 0) return []
  const surroundings = await readSurroundings(reader, sight, placed)
  return placed.map((each) => presentOne(reader, sight, surroundings, each))
}

/** The client JSON texts of the room's state: without relations and without what an event replaced. */
export async function presentState(
  reader: Reader,
  sight: RoomSight,
  events: readonly StoredEvent[],
): Promise<string[]> {
  const redactions = await readRedactions(reader, events)
  return events.map((event) =>
    eventText(reader, sight, event, { redactedBecause: because(reader, sight, event, redactions) }),
  )
}

async function readSurroundings(
  reader: Reader,
  sight: RoomSight,
  placed: readonly PlacedEvent[],
): Promise<Surroundings> {
  const events = placed.map((each) => each.event)
  const viewer: AggregateViewer = {
    userId: sight.userId,
    ignoredUsers: await ignoredUsers(reader.reads, sight.userId),
    maySee: (pos) => sight.maySee(pos),
  }
  const [aggregates, previous, redactions] = await Promise.all([
    readAggregates(reader.reads, { roomNid: sight.room.roomNid, events, viewer }),
    readPrevious(reader, sight, placed),
    readRedactions(reader, events),
  ])
  const latest = [...aggregates.values()].flatMap(({ thread }) =>
    thread === undefined ? [] : [thread.latest],
  )
  const edits = await readEdits(reader.reads, sight.room.roomNid, latest, viewer)
  return { aggregates, edits, previous, redactions }
}

/** The state events that those of the page replaced. */
async function readPrevious(
  reader: Reader,
  sight: RoomSight,
  placed: readonly PlacedEvent[],
): Promise<Map<number, StoredEvent>> {
  const { roomNid } = sight.room
  const states = placed.filter((each) => each.event.stateKey !== undefined)
  const roots = await rootsAt(
    reader.reads,
    states.map(({ pos }) => ({ roomNid, pos: pos - 1 })),
  )
  const queries = states.flatMap(({ event }, index) => {
    const root = roots[index]
    if (root === undefined || event.stateKey === undefined) return []
    return [{ nid: event.nid, query: { roomNid, root, type: event.type, stateKey: event.stateKey } }]
  })
  const found = await stateReader(reader.reads).getMany(queries.map(({ query }) => query))
  const previous = new Map<number, StoredEvent>()
  for (const [index, { nid }] of queries.entries()) {
    const event = found[index]
    if (event !== undefined) previous.set(nid, event)
  }
  return previous
}

async function readRedactions(
  reader: Reader,
  events: readonly StoredEvent[],
): Promise<Map<number, StoredEvent>> {
  const nids = events.flatMap((event) => event.redactedBy ?? [])
  const redactions = nids.length === 0 ? [] : await readEventsByNid(reader.reads, nids)
  return new Map(redactions.map((event) => [event.nid, event]))
}

function presentOne(
  reader: Reader,
  sight: RoomSight,
  surroundings: Surroundings,
  { event, pos }: PlacedEvent,
): string {
  const previous = surroundings.previous.get(event.nid)
  return eventText(reader, sight, event, {
    membership: sight.membershipAt(pos),
    previous: previous && {
      content: canonicalJson(contentOf(previous), 'lax'),
      sender: previous.sender,
      eventId: previous.eventId,
    },
    redactedBecause: because(reader, sight, event, surroundings.redactions),
    relations: relationsText(reader, sight, surroundings, event),
  })
}

function relationsText(
  reader: Reader,
  sight: RoomSight,
  surroundings: Surroundings,
  event: StoredEvent,
): string | undefined {
  const aggregate = surroundings.aggregates.get(event.eventId)
  if (aggregate === undefined) return undefined
  const { references, replacement, thread } = aggregate
  return bundleRelations({
    references,
    replacement: replacement && eventText(reader, sight, replacement, {}),
    thread: thread && {
      latestEvent: latestText(reader, sight, surroundings, thread.latest),
      count: thread.count,
      currentUserParticipated: thread.participated,
    },
  })
}

function latestText(
  reader: Reader,
  sight: RoomSight,
  surroundings: Surroundings,
  latest: StoredEvent,
): string {
  const edit = surroundings.edits.get(latest.eventId)
  const replacement = edit && eventText(reader, sight, edit, {})
  return eventText(reader, sight, latest, { relations: bundleRelations({ replacement }) })
}

function because(
  reader: Reader,
  sight: RoomSight,
  event: StoredEvent,
  redactions: ReadonlyMap<number, StoredEvent>,
): string | undefined {
  const redaction = event.redactedBy === undefined ? undefined : redactions.get(event.redactedBy)
  return redaction && eventText(reader, sight, redaction, {})
}

function eventText(
  reader: Reader,
  sight: RoomSight,
  event: StoredEvent,
  unsigned: Omit<Unsigned, 'age' | 'transactionId'>,
): string {
  const { clock, requester } = reader
  const { txn } = event
  const isOwn = txn !== undefined && event.sender === requester.userId && txn.deviceId === requester.deviceId
  // The cast is sound: what is stored was built or checked as a Pdu.
  const pdu = parseJson(event.json) as Pdu
  const text = clientEventJson(sight.rules, pdu, { eventId: event.eventId, roomId: sight.room.roomId })
  const extra = unsignedText({
    ...unsigned,
    age: Math.max(0, clock.now() - event.originServerTs),
    transactionId: isOwn ? txn.txnId : undefined,
  })
  return joinClientEvent(text, { withRoomId: true, unsigned: extra })
}
