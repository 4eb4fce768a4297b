/**
 * The `state` or `state_after` of a room, and its summary: differences of the room's state at two positions (DESIGN.md §4), less
 * the members that a lazily loading client does not need.
 */

import { wantsAll } from '#protocol/visibility/filter-match.ts'
import type { StoredEvent } from '#storage/entry.ts'
import type { StateChange } from '#storage/sync/state.ts'
import type { DeviceMemory } from './device-memory.ts'
import type { RoomView } from './from-database.ts'
import type { RingView } from './from-rings.ts'
import type { SyncHost } from './host.ts'
import { redactionsOf } from './present.ts'
import type { Viewer } from './viewer.ts'

export interface StateOptions {
  /** All of the state and not what changed. */
  readonly full: boolean
  /** At the end of the timeline and not at its start. */
  readonly after: boolean
  readonly memory: DeviceMemory
}

export interface StateParts {
  readonly events: readonly StoredEvent[]
  /** Texts of the redactions of those that are redacted. */
  readonly redactions: ReadonlyMap<number, string>
  /** JSON text, or undefined where nothing of it changed. */
  readonly summary: string | undefined
}

export const noState: StateParts = { events: [], redactions: new Map(), summary: undefined }

/** What is told of the room's state beside the timeline. A promise only where something has to be looked up. */
export function stateOf(
  host: SyncHost,
  viewer: Viewer,
  view: RoomView | RingView,
  options: StateOptions,
): StateParts | Promise<StateParts> {
  const { filter } = viewer
  const isQuiet =
    !options.full && !view.timeline.limited && !view.delta.resolved && view.delta.memberRows.length === 0
  if (
    isQuiet &&
    !changesState(viewer, view, options) &&
    !(filter.lazyMembers && needsMembers(view, options, filter.redundantMembers))
  ) {
    return noState
  }
  return workOut(host, viewer, view, options)
}

async function workOut(
  host: SyncHost,
  viewer: Viewer,
  view: RoomView | RingView,
  options: StateOptions,
): Promise<StateParts> {
  const [events, summary] = await Promise.all([
    viewer.filter.lazyMembers ? lazyState(host, viewer, view, options) : wholeState(host, view, options),
    summaryOf(host, viewer, view, options),
  ])
  const { filter } = viewer
  const { roomId } = view.ask.room
  const wanted = events.filter((event) =>
    filter.state({
      type: event.type,
      sender: event.sender,
      room_id: roomId,
      content: host.texts.content(event),
    }),
  )
  if (!filter.lazyMembers) return finish(host, view, wanted, summary)
  const heroes = await membersOf(host, view, options, summary?.heroes ?? [])
  const fresh = uniqueEvents([...wanted, ...heroes]).filter(
    (event) => !isRedundant(viewer, view, options, event),
  )
  for (const event of fresh) remember(view, options, event)
  for (const { event } of view.timeline.events) remember(view, options, event)
  return finish(host, view, fresh, summary)
}

async function finish(
  host: SyncHost,
  view: RoomView,
  events: readonly StoredEvent[],
  summary: Summary | undefined,
): Promise<StateParts> {
  const { roomNid } = view.ask.room
  const isRedacted = events.some((event) => event.redactedBy !== undefined)
  const redactions = isRedacted
    ? await redactionsOf(host, host.rooms.get(roomNid), events)
    : noState.redactions
  return { events, redactions, summary: summary?.text }
}

/** Whether the state changed in a way that has to be told beside the timeline. A ring's events are all there are; else the roots tell. */
function changesState(viewer: Viewer, view: RoomView | RingView, options: StateOptions): boolean {
  if (!options.after && viewer.filter.timeline === wantsAll && viewer.ignored.size === 0) return false
  if ('allEvents' in view) return view.allEvents.some(({ event }) => event.stateKey !== undefined)
  return view.roots.since !== view.roots.end
}

function needsMembers(view: RoomView, options: StateOptions, redundant: boolean): boolean {
  const { roomId } = view.ask.room
  return view.timeline.events.some(
    ({ event }) => redundant || !options.memory.knowsMember(roomId, event.sender),
  )
}

async function wholeState(
  host: SyncHost,
  view: RoomView | RingView,
  options: StateOptions,
): Promise<readonly StoredEvent[]> {
  const { roomNid } = view.ask.room
  const target = targetRoot(view, options)
  if (options.full) return target === undefined ? [] : host.states.all(roomNid, target)
  return changedState(host, view, options)
}

function targetRoot(view: RoomView, options: StateOptions): string | undefined {
  return options.after ? view.roots.end : view.roots.start
}

/** What changed since the last time that the timeline does not tell. */
async function changedState(
  host: SyncHost,
  view: RoomView | RingView,
  options: StateOptions,
): Promise<readonly StoredEvent[]> {
  const { roomNid } = view.ask.room
  const told = options.after ? new Set<number>() : new Set(view.timeline.events.map(({ event }) => event.nid))
  if ('allEvents' in view)
    return lastStates(view.allEvents.map(({ event }) => event).filter((event) => !told.has(event.nid)))
  const { since, start, end } = view.roots
  if (options.after) return afterwards(await host.states.diff(roomNid, since, end))
  const before = view.timeline.limited ? afterwards(await host.states.diff(roomNid, since, start)) : []
  // What resolution changed comes with no event, and what the filter leaves out is not told: the timeline alone would leave the client
  // with another state.
  const whole = afterwards(await host.states.diff(roomNid, since, end)).filter(
    (event) => !told.has(event.nid),
  )
  return lastStates([...before, ...whole])
}

function afterwards(changes: readonly StateChange[]): StoredEvent[] {
  return changes.flatMap(({ after }) => after ?? [])
}

/** The last of the events for each type and state key. */
function lastStates(events: readonly StoredEvent[]): StoredEvent[] {
  const last = new Map<string, StoredEvent>()
  for (const event of events) {
    if (event.stateKey !== undefined) last.set(`${event.type} ${event.stateKey}`, event)
  }
  return [...last.values()]
}

async function lazyState(
  host: SyncHost,
  viewer: Viewer,
  view: RoomView | RingView,
  options: StateOptions,
): Promise<readonly StoredEvent[]> {
  const senders = view.timeline.events.map(({ event }) => event.sender as string)
  if (!options.full) {
    // "When a sync is `limited`, the server MUST return membership events for events in the gap": they are among the changes.
    return [...(await changedState(host, view, options)), ...(await membersOf(host, view, options, senders))]
  }
  const target = targetRoot(view, options)
  if (target === undefined) return []
  // "servers MUST include the syncing user's own membership event when they join a room, or when the full state of rooms is requested"
  const wanted = [...senders, viewer.userId]
  const [others, members] = await Promise.all([
    host.states.withoutMembers(view.ask.room.roomNid, target),
    membersOf(host, view, options, wanted),
  ])
  return [...others, ...members]
}

async function membersOf(
  host: SyncHost,
  view: RoomView,
  options: StateOptions,
  userIds: readonly string[],
): Promise<readonly StoredEvent[]> {
  // Nothing is left out before a ring's timeline, so that the end tells all that the start would, but what is in the timeline itself.
  const root = targetRoot(view, options) ?? view.roots.end
  if (root === undefined || userIds.length === 0) return []
  const keys = [...new Set(userIds)].map((userId) => ['m.room.member', userId] as const)
  const members = await host.states.getMany(view.ask.room.roomNid, root, keys)
  const told = options.after ? new Set<number>() : new Set(view.timeline.events.map(({ event }) => event.nid))
  return members.filter((event) => event !== undefined).filter((event) => !told.has(event.nid))
}

function uniqueEvents(events: readonly StoredEvent[]): StoredEvent[] {
  return [...new Map(events.map((event) => [event.nid, event])).values()]
}

function isRedundant(viewer: Viewer, view: RoomView, options: StateOptions, event: StoredEvent): boolean {
  if (
    viewer.filter.redundantMembers ||
    options.full ||
    event.type !== 'm.room.member' ||
    event.stateKey === undefined
  )
    return false
  return options.memory.hasMember(view.ask.room.roomId, event.stateKey, event.nid)
}

function remember(view: RoomView, options: StateOptions, event: StoredEvent): void {
  if (event.type !== 'm.room.member' || event.stateKey === undefined) return
  options.memory.addMember(view.ask.room.roomId, event.stateKey, event.nid)
}

interface Summary {
  readonly text: string
  readonly heroes: readonly string[]
}

/** Needed where members came or went, and with the full state. Client-server API v1.19, "RoomSummary". */
async function summaryOf(
  host: SyncHost,
  viewer: Viewer,
  view: RoomView,
  options: StateOptions,
): Promise<Summary | undefined> {
  const changed = view.delta.memberRows.some((row) => row.membership !== row.prevMembership)
  if (view.ask.mode === 'left' || !(options.full || changed)) return undefined
  const { roomNid } = view.ask.room
  const place = { roomNid, pos: view.ask.upTo, heardTo: host.heardTo(roomNid) }
  const [counts, [name, alias]] = await Promise.all([
    host.counts.at(place),
    view.roots.end === undefined ? [] : host.states.getMany(roomNid, view.roots.end, nameKeys),
  ])
  const numbers = `"m.invited_member_count":${counts.invited},"m.joined_member_count":${counts.joined}`
  if (isSet(host, name, 'name') || isSet(host, alias, 'alias')) return { text: `{${numbers}}`, heroes: [] }
  const others = counts.heroes.filter((userId) => userId !== viewer.userId)
  const former = counts.former.filter((userId) => userId !== viewer.userId)
  const heroes = (others.length > 0 ? others : former).slice(0, 5)
  return { text: `{"m.heroes":${JSON.stringify(heroes)},${numbers}}`, heroes }
}

const nameKeys = [
  ['m.room.name', ''],
  ['m.room.canonical_alias', ''],
] as const

function isSet(host: SyncHost, event: StoredEvent | undefined, key: string): boolean {
  const value = event && host.texts.content(event)[key]
  return typeof value === 'string' && value !== ''
}
