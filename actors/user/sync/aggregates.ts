/** Bundled aggregations of a timeline: what relates to its events, as text. */

import { bundleRelations } from '#protocol/relations/bundle.ts'
import { readAggregates } from '#storage/rooms/aggregations.ts'
import type { StoredEvent } from '#storage/entry.ts'
import type { Timeline } from './delta.ts'
import type { RoomAsk } from './from-database.ts'
import type { SyncHost } from './host.ts'
import type { Room } from './room-infos.ts'
import type { Viewer } from './viewer.ts'

/** The texts of `m.relations` of the timelines' events by event id; one statement where nothing relates to any of them. */
export async function aggregatesOf(
  host: SyncHost,
  viewer: Viewer,
  asks: readonly RoomAsk[],
  timelines: readonly Timeline[],
): Promise<ReadonlyMap<string, string>> {
  const events = asks.flatMap(({ room }, i) =>
    (timelines[i]?.events ?? []).map(({ event }) => ({ roomNid: room.roomNid, eventId: event.eventId })),
  )
  const related = await host.newest.related(events)
  const texts = new Map<string, string>()
  if (related.size === 0) return texts
  await Promise.all(
    asks.map(async (ask, i) => {
      const concerned = (timelines[i]?.events ?? [])
        .map(({ event }) => event)
        .filter(({ eventId }) => related.has(eventId))
      if (concerned.length > 0) await bundle(host, viewer, { ask, events: concerned }, texts)
    }),
  )
  return texts
}

async function bundle(
  host: SyncHost,
  viewer: Viewer,
  what: { readonly ask: RoomAsk; readonly events: readonly StoredEvent[] },
  texts: Map<string, string>,
): Promise<void> {
  const room = host.rooms.get(what.ask.room.roomNid)
  const aggregates = await readAggregates(host.reads, {
    roomNid: room.roomNid,
    events: what.events,
    // What relates to an event that may be seen came later, while the user was in the room.
    viewer: { userId: viewer.userId, ignoredUsers: viewer.ignored, maySee: (pos) => pos <= what.ask.upTo },
  })
  for (const [eventId, { replacement, thread, references }] of aggregates) {
    const text = bundleRelations({
      replacement: replacement && presentRelated(host, viewer, room, replacement),
      thread: thread && {
        latestEvent: presentRelated(host, viewer, room, thread.latest),
        count: thread.count,
        currentUserParticipated: thread.participated,
      },
      references,
    })
    if (text !== undefined) texts.set(eventId, text)
  }
}

function presentRelated(host: SyncHost, viewer: Viewer, room: Room, event: StoredEvent): string {
  const { txn } = event
  const isSender = event.sender === viewer.userId && txn?.deviceId === viewer.deviceId
  return host.texts.whole(event, room, {
    age: Math.max(0, host.clock.now() - event.originServerTs),
    transactionId: isSender ? txn?.txnId : undefined,
  })
}
