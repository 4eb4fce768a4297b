/** The quick way to answer, near the head: from the rings that this host keeps, without asking Postgres. */

import { wantsAll } from '#protocol/visibility/filter-match.ts'
import type { EventEntry } from './delta.ts'
import { type RoomView, wants } from './from-database.ts'
import type { Fragment } from './fragments.ts'
import type { SyncHost } from './host.ts'
import { presentEvents } from './present.ts'
import type { UserRoom } from '#storage/sync/user-rooms.ts'
import type { Viewer } from './viewer.ts'

/** The view that a fragment gives of a room in which the user was all the time. */
export interface RingView extends RoomView {
  /** Every event of the range, whether the client wants it or not. */
  readonly allEvents: readonly EventEntry[]
}

/**
 * What a room's ring says of (after, upTo]; undefined where it does not reach back so far, where it has more than the client
 * wants at once, or where only Postgres knows how things stand now.
 */
export function viewFromRing(
  host: SyncHost,
  viewer: Viewer,
  range: { readonly room: UserRoom; readonly after: number; readonly upTo: number },
): RingView | undefined | Promise<RingView | undefined> {
  const { room, after, upTo } = range
  const rows = host.feed.entriesAfter(room.roomId, room.shard, after)
  if (rows === undefined || !host.rooms.has(room.roomNid)) return undefined
  const entries =
    rows.at(-1)?.pos !== undefined && (rows.at(-1)?.pos ?? 0) > upTo
      ? rows.filter((entry) => entry.pos <= upTo)
      : rows
  const info = host.rooms.get(room.roomNid)
  const fragment = host.fragments.get(info, entries)
  if (fragment instanceof Promise) return fragment.then((made) => viewOf(host, viewer, range, made))
  return viewOf(host, viewer, range, fragment)
}

function viewOf(
  host: SyncHost,
  viewer: Viewer,
  range: { readonly room: UserRoom; readonly after: number; readonly upTo: number },
  fragment: Fragment,
): RingView | undefined {
  if (fragment.needsDatabase) return undefined
  const { room, after, upTo } = range
  const isPlain = viewer.filter.timeline === wantsAll && viewer.ignored.size === 0
  const events = isPlain ? fragment.events : fragment.events.filter((entry) => wants(host, viewer, entry))
  if (events.length > viewer.filter.timelineLimit) return undefined
  return {
    ask: { room, mode: 'steady', after, upTo },
    delta: ownReceipts(fragment, viewer.userId),
    timeline: { events, limited: false, startsAt: events[0]?.pos ?? upTo + 1 },
    text: isPlain ? fragment.text(host, viewer.deviceKey) : presentFiltered(host, viewer, events, fragment),
    // Nothing is left out before the timeline, so that only the end is asked for.
    roots: { since: undefined, start: undefined, end: fragment.stateRoot },
    allEvents: fragment.events,
  }
}

function presentFiltered(
  host: SyncHost,
  viewer: Viewer,
  events: readonly EventEntry[],
  fragment: Fragment,
): string {
  return presentEvents(events, {
    texts: host.texts,
    room: fragment.room,
    nowMs: host.clock.now(),
    deviceKey: viewer.deviceKey,
    membershipAt: () => 'join',
    previous: fragment.previous,
  })
}

/** The ring holds everybody's receipts; private ones are for their own user alone. */
function ownReceipts(fragment: Fragment, userId: string): RoomView['delta'] {
  const { delta } = fragment
  if (delta.receipts.length === 0) return delta
  const receipts = delta.receipts.filter(
    (receipt) => receipt.receiptType !== 'm.read.private' || receipt.userId === userId,
  )
  return { ...delta, receipts }
}
