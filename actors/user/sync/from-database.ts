/**
 * The general way to answer, which is always right: what happened in rooms between two positions, read from Postgres. Each
 * step asks for all rooms at once.
 */

import type { VisibilityFacts } from '#protocol/visibility/history.ts'
import { factsAt, maySeeEvent } from '#protocol/visibility/history.ts'
import { wantsAll } from '#protocol/visibility/filter-match.ts'
import {
  type ReceiptRow,
  readFacts,
  readReceipts,
  readVisibilityChanges,
  type VisibilityChange,
} from '#storage/sync/rooms.ts'
import { rootsAt } from '#storage/rooms/rooms.ts'
import { aggregatesOf } from './aggregates.ts'
import { deltaOf, type EventEntry, type RoomDelta, type Timeline } from './delta.ts'
import type { SyncHost } from './host.ts'
import { presentEvents, previousOf, redactionsOf } from './present.ts'
import type { UserRoom } from '#storage/sync/user-rooms.ts'
import type { Viewer } from './viewer.ts'

/** What is asked of one room. */
export interface RoomAsk {
  readonly room: UserRoom
  /**
   * `steady`: joined before and after and all the time between. `fresh`: whatever he may see, newest first, back to the
   * beginning. `left`: he is not in the room at `upTo` any more; after `after`, where he was joined then.
   */
  readonly mode: 'steady' | 'fresh' | 'left'
  readonly after: number
  readonly upTo: number
}

/** A room as it was between two positions. */
export interface RoomView {
  readonly ask: RoomAsk
  readonly delta: RoomDelta
  readonly timeline: Timeline
  /** Client texts of the timeline's events, joined by commas. */
  readonly text: string
  /** Roots of the room's state at `after`, at the start of the timeline, and at `upTo`. */
  readonly roots: {
    readonly since: string | undefined
    readonly start: string | undefined
    readonly end: string | undefined
  }
}

/** A filter that drops much, or history that may not be seen, costs so many pages at the most. */
const maxPages = 20
const filteredPage = 100

/** What happened in the rooms, in the order of the asks. */
export async function readRooms(
  host: SyncHost,
  viewer: Viewer,
  asks: readonly RoomAsk[],
): Promise<readonly RoomView[]> {
  if (asks.length === 0) return []
  await host.rooms.load(asks.map(({ room }) => room.roomNid))
  const timelines = await readRoomTimelines(host, viewer, asks)
  const steady = asks.filter((ask) => ask.mode === 'steady').map(rangeOf)
  const [roots, facts, receipts, extras] = await Promise.all([
    rootsAt(
      host.reads,
      asks.flatMap((ask, i) => rootPlaces(ask, timelines[i])),
    ),
    readFacts(host.reads, steady),
    readReceipts(host.reads, viewer.userId, asks.filter((ask) => ask.mode !== 'left').map(rangeOf)),
    aggregatesOf(host, viewer, asks, timelines),
  ])
  const receiptsByRoom = Map.groupBy(receipts, (receipt: ReceiptRow) => receipt.roomNid)
  return Promise.all(
    asks.map(async (ask, i) => {
      const { roomNid } = ask.room
      const timeline = timelines[i] ?? { events: [], limited: false, startsAt: ask.upTo + 1 }
      return {
        ask,
        delta: { ...deltaOf(facts.get(roomNid) ?? []), receipts: receiptsByRoom.get(roomNid) ?? [] },
        timeline,
        text: await present(host, viewer, { ask, timeline, relations: extras }),
        roots: { since: roots[i * 3], start: roots[i * 3 + 1], end: roots[i * 3 + 2] },
      }
    }),
  )
}

function rangeOf(ask: RoomAsk): { roomNid: number; after: number; upTo: number } {
  return { roomNid: ask.room.roomNid, after: ask.after, upTo: ask.upTo }
}

function rootPlaces(ask: RoomAsk, timeline: Timeline | undefined): { roomNid: number; pos: number }[] {
  const { roomNid } = ask.room
  const startsAt = timeline?.startsAt ?? ask.upTo + 1
  return [
    { roomNid, pos: ask.after },
    { roomNid, pos: startsAt - 1 },
    { roomNid, pos: ask.upTo },
  ]
}

async function present(
  host: SyncHost,
  viewer: Viewer,
  what: { ask: RoomAsk; timeline: Timeline; relations: ReadonlyMap<string, string> },
): Promise<string> {
  const { events } = what.timeline
  if (events.length === 0) return ''
  const room = host.rooms.get(what.ask.room.roomNid)
  const [previous, redactions] = await Promise.all([
    previousOf(host, room, events),
    redactionsOf(
      host,
      room,
      events.map(({ event }) => event),
    ),
  ])
  return presentEvents(events, {
    texts: host.texts,
    room,
    nowMs: host.clock.now(),
    deviceKey: viewer.deviceKey,
    membershipAt: (pos) => what.ask.room.membershipAt(pos),
    previous,
    redactions,
    relations: what.relations,
  })
}

/** A timeline while it is being read, from the newest event back. */
interface Reading {
  readonly ask: RoomAsk
  /** Descending. */
  readonly found: EventEntry[]
  upTo: number
  done: boolean
}

async function readRoomTimelines(
  host: SyncHost,
  viewer: Viewer,
  asks: readonly RoomAsk[],
): Promise<readonly Timeline[]> {
  const limit = viewer.filter.timelineLimit
  const visible = new Map<RoomAsk, (pos: number) => boolean>()
  const readings = asks.map((ask): Reading => ({ ask, found: [], upTo: ask.upTo, done: false }))
  let page = viewer.filter.timeline === wantsAll ? limit + 1 : Math.max(filteredPage, limit + 1)
  for (let pages = 0; pages < maxPages; pages++) {
    const open = readings.filter((reading) => !reading.done)
    if (open.length === 0) break
    const ranges = open.map((reading) => ({
      roomNid: reading.ask.room.roomNid,
      after: reading.ask.after,
      upTo: reading.upTo,
      limit: page,
    }))
    const pagesOfRooms = await host.newest.timelines(ranges)
    const pageOf = ({ room }: RoomAsk): readonly EventEntry[] => pagesOfRooms.get(room.roomNid) ?? []
    const hidden = open.filter(({ ask }) => !visible.has(ask) && mayHide(ask, pageOf(ask)))
    await addVisibility(
      host,
      hidden.map(({ ask }) => ask),
      visible,
    )
    for (const reading of open) {
      const entries = pageOf(reading.ask)
      take(
        reading,
        entries,
        (entry) => wants(host, viewer, entry) && (visible.get(reading.ask)?.(entry.pos) ?? true),
      )
      reading.done = entries.length < page || reading.found.length > limit
    }
    page = Math.max(filteredPage, page)
  }
  return readings.map((reading) => timelineOf(reading, limit))
}

function take(
  reading: Reading,
  entries: readonly EventEntry[],
  isWanted: (entry: EventEntry) => boolean,
): void {
  for (const entry of entries.toReversed()) if (isWanted(entry)) reading.found.push(entry)
  reading.upTo = (entries[0]?.pos ?? 1) - 1
}

function timelineOf(reading: Reading, limit: number): Timeline {
  const events = reading.found.slice(0, limit).reverse()
  // Where reading was given up there may be more.
  const limited = reading.found.length > limit || !reading.done
  return { events, limited, startsAt: events[0]?.pos ?? reading.ask.upTo + 1 }
}

/** Whether an event is of the kind that the client wants, and not of somebody whom its user ignores. */
export function wants(host: SyncHost, viewer: Viewer, { event, roomId }: EventEntry): boolean {
  const { filter, ignored } = viewer
  if (ignored.size > 0 && event.stateKey === undefined && ignored.has(event.sender)) return false
  if (filter.timeline === wantsAll) return true
  return filter.timeline({
    type: event.type,
    sender: event.sender,
    room_id: roomId,
    content: host.texts.content(event),
  })
}

/** Whether any of the events came while the user was not in the room: what comes while he is, he may see. */
function mayHide(ask: RoomAsk, [oldest]: readonly EventEntry[]): boolean {
  if (ask.mode === 'steady' || oldest === undefined) return false
  return ask.mode === 'left' || oldest.pos < ask.room.changedAt(ask.upTo)
}

/** Adds for each ask whether the user may see an event at a position. */
async function addVisibility(
  host: SyncHost,
  asks: readonly RoomAsk[],
  visible: Map<RoomAsk, (pos: number) => boolean>,
): Promise<void> {
  const changes = await readVisibilityChanges(
    host.reads,
    asks.map(({ room }) => room.roomNid),
  )
  for (const ask of asks) {
    const transitions = {
      visibility: (changes.get(ask.room.roomNid) ?? []).map(({ pos, value }: VisibilityChange) => ({
        at: [pos, 0] as const,
        value,
      })),
      membership: ask.room.changes.map(({ pos, membership }) => ({
        at: [pos, 0] as const,
        value: membership,
      })),
    }
    visible.set(ask, (pos: number) => maySee(factsAt(transitions, [pos, 0]), ask, pos))
  }
}

function maySee(facts: VisibilityFacts, ask: RoomAsk, pos: number): boolean {
  // Whoever has left sees his own leaving, whatever else of the room was never his to see.
  return maySeeEvent(facts) || (ask.mode === 'left' && pos === ask.room.changedAt(ask.upTo))
}
