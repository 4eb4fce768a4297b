/** Events as one reader sees them: the shared text of each with what is said to this reader alone. */

import type { Unsigned } from '#protocol/events/present.ts'
import type { Membership } from '#storage/log-kinds.ts'
import { readEventsByNid } from '#storage/rooms/events.ts'
import type { StoredEvent } from '#storage/entry.ts'
import { type EventEntry } from './delta.ts'
import { deviceKeyOf } from './viewer.ts'
import type { SyncHost } from './host.ts'
import type { Room } from './room-infos.ts'
import type { EventTexts } from './texts.ts'

/** The state event that another one replaced. */
export type Previous = NonNullable<Unsigned['previous']>

export interface Presentation {
  readonly texts: EventTexts
  readonly room: Room
  readonly nowMs: number
  /** The reader's device, where transaction ids are his to know. */
  readonly deviceKey: string | undefined
  /** The reader's membership when an event at a position was sent. */
  readonly membershipAt: (pos: number) => Membership | undefined
  /** What state events replaced, by event number. */
  readonly previous: ReadonlyMap<number, Previous>
  /** Texts of redactions by event number. */
  readonly redactions?: ReadonlyMap<number, string>
  /** Texts of `m.relations` by event id. */
  readonly relations?: ReadonlyMap<string, string>
}

/** The texts of the events, joined by commas. */
export function presentEvents(events: readonly EventEntry[], how: Presentation): string {
  let text = ''
  for (const entry of events) {
    if (text !== '') text += ','
    text += presentEvent(entry, how)
  }
  return text
}

export function presentEvent(entry: EventEntry, how: Presentation): string {
  return how.texts.whole(entry.event, how.room, unsignedOf(entry, how))
}

/** A state event outside of a timeline. */
export function presentState(
  event: StoredEvent,
  how: Pick<Presentation, 'texts' | 'room' | 'nowMs' | 'redactions'>,
): string {
  const redactedBecause = event.redactedBy === undefined ? undefined : how.redactions?.get(event.redactedBy)
  return how.texts.whole(event, how.room, {
    age: Math.max(0, how.nowMs - event.originServerTs),
    redactedBecause,
  })
}

function unsignedOf({ event, pos }: EventEntry, how: Presentation): Unsigned {
  const { txn } = event
  const isSender = txn !== undefined && how.deviceKey === deviceKeyOf(event.sender, txn.deviceId)
  return {
    age: Math.max(0, how.nowMs - event.originServerTs),
    // Whoever has never been anything in a room counts as having left it.
    membership: how.membershipAt(pos) ?? 'leave',
    transactionId: isSender ? txn.txnId : undefined,
    previous: how.previous.get(event.nid),
    redactedBecause: event.redactedBy === undefined ? undefined : how.redactions?.get(event.redactedBy),
    relations: how.relations?.get(event.eventId),
  }
}

/** What the state events among these replaced, by event number. */
export async function previousOf(
  host: SyncHost,
  room: Room,
  events: readonly EventEntry[],
): Promise<ReadonlyMap<number, Previous>> {
  const changes = events.filter(({ event }) => event.stateKey !== undefined)
  if (changes.length === 0) return new Map()
  const found = await Promise.all(
    changes.map(async ({ event, pos }) => {
      const root = await host.roots.get({ roomNid: room.roomNid, pos: pos - 1 })
      const before =
        root === undefined || event.stateKey === undefined
          ? undefined
          : await host.states.get(room.roomNid, root, [event.type, event.stateKey])
      return [event.nid, before] as const
    }),
  )
  const previous = new Map<number, Previous>()
  for (const [nid, before] of found) {
    if (before === undefined || before.nid === nid) continue
    const content = JSON.stringify(host.texts.content(before))
    previous.set(nid, { content, sender: before.sender, eventId: before.eventId })
  }
  return previous
}

/** The texts of the redactions of these events, by their numbers. */
export async function redactionsOf(
  host: SyncHost,
  room: Room,
  events: readonly StoredEvent[],
): Promise<ReadonlyMap<number, string>> {
  const nids = events.flatMap(({ redactedBy }) => redactedBy ?? [])
  if (nids.length === 0) return noRedactions
  const redactions = await readEventsByNid(host.reads, nids)
  const how = { texts: host.texts, room, nowMs: host.clock.now() }
  return new Map(redactions.map((event) => [event.nid, presentState(event, how)]))
}

const noRedactions: ReadonlyMap<number, string> = new Map()
