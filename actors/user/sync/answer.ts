/** One answer: what there is to tell between a token and the heads, worked out once. */

import type { SyncToken } from '#protocol/tokens/sync-token.ts'
import type { AccountDataItem, OwnState } from '../own-state.ts'
import type { DeviceMemory } from './device-memory.ts'
import { emptyDelta } from './delta.ts'
import { receiptEvent, typingEvent } from './ephemeral.ts'
import { readRooms, type RoomAsk, type RoomView } from './from-database.ts'
import { type RingView, viewFromRing } from './from-rings.ts'
import type { SyncHost } from './host.ts'
import type { SyncPlan } from './request.ts'
import {
  accountDataEvents,
  type JoinedRoomParts,
  joinedRoomText,
  keyCountsText,
  leftRoomText,
  type ResponseParts,
} from './response.ts'
import type { OwnKeyChanges } from '#storage/sync/device-lists.ts'
import type { UserRooms } from '#storage/sync/user-rooms.ts'
import { type LeftAsk, type Sections, sectionsOf } from './sections.ts'
import { accountDataOf, changedDevices } from './own-changes.ts'
import { noState, stateOf, type StateOptions } from './state.ts'
import { strippedRooms } from './stripped.ts'
import type { TypingChanges, TypingNews } from './typing.ts'
import type { UnreadCounts } from './unread.ts'
import type { Viewer } from './viewer.ts'

/** What is known of a room's rows without asking. */
export interface Cover {
  /** The last row; exact from `from` on. */
  lastPos: number
  /** Since which position every row has been seen; undefined: the room is not followed yet, or the chain broke. */
  from: number | undefined
}

/** What an activation keeps of its user. */
export interface UserView {
  readonly host: SyncHost
  readonly own: OwnState
  readonly shard: number
  readonly rooms: UserRooms
  readonly unread: UnreadCounts
  readonly typing: TypingChanges
  /** What the feed has told of the rooms that he is in, by room id. */
  readonly covers: ReadonlyMap<string, Cover>
  /** Whose keys look different to his devices by what he did himself. */
  readonly keyChanges: OwnKeyChanges
  /** Position at or after the last change of his account data. */
  readonly accountDataChangedAt: number
}

export interface AnswerOptions {
  readonly plan: SyncPlan
  readonly viewer: Viewer
  readonly memory: DeviceMemory
  readonly since: SyncToken | undefined
  readonly heads: readonly number[]
}

export interface Answer {
  readonly parts: ResponseParts
  /** Position of the last to-device message included. */
  readonly toDevice: number
  /** How far typing has been told (`typing.ts`). */
  readonly typing: number
  readonly fromDatabase: boolean
}

const toDevicePage = 100

export async function answer(user: UserView, options: AnswerOptions): Promise<Answer> {
  const { plan, viewer, since, heads } = options
  const { host, own } = user
  const sections = sectionsOf(user.rooms, plan, { since, heads })
  const [steady, accountData, inbox, keys] = await Promise.all([
    steadyViews(user, viewer, sections.steady, plan.fullState),
    accountDataOf(user, options),
    own.toDevice(plan.deviceId, since?.toDevice ?? 0, toDevicePage),
    own.keyCounts(plan.deviceId),
  ])
  const asked = [...sections.fresh, ...sections.left]
  const read = await readRooms(host, viewer, asked)
  const fresh = read.slice(0, sections.fresh.length)
  const typing = user.typing.since(host.feed, {
    counter: since?.activation,
    steady: roomIdsOf(sections.steady),
    fresh: roomIdsOf(sections.fresh),
    mayKnow: plan.since !== undefined,
  })
  const [join, leave, invite, knock, deviceLists] = await Promise.all([
    joinedRooms(user, options, {
      steady: steady.views,
      fresh,
      accountData: accountData.rooms,
      typing: typing.rooms,
      sections,
    }),
    Promise.all(sections.left.map((ask, i) => leftRoom(user, options, ask, read[sections.fresh.length + i]))),
    strippedRooms(host, viewer, sections.invited, 'invite_state'),
    strippedRooms(host, viewer, sections.knocked, 'knock_state'),
    changedDevices(user, options, { sections, steady: steady.views }),
  ])
  return {
    parts: {
      join,
      leave: leave.flat(),
      invite,
      knock,
      accountData: accountDataEvents(accountData.global, plan.filter.accountData),
      toDevice: inbox.messages,
      deviceLists,
      keyCounts: keyCountsText(keys.counts, keys.unusedFallback),
    },
    toDevice: inbox.upTo,
    typing: typing.counter,
    fromDatabase: steady.fromDatabase || asked.length > 0,
  }
}

interface SteadyViews {
  readonly views: readonly (RoomView | RingView)[]
  readonly fromDatabase: boolean
}

/** Rooms in which something happened, from their rings where these reach back, all others together from Postgres. */
async function steadyViews(
  user: UserView,
  viewer: Viewer,
  asks: readonly RoomAsk[],
  all: boolean,
): Promise<SteadyViews> {
  const views: (RoomView | RingView)[] = []
  const others: RoomAsk[] = []
  for (const ask of asks) {
    const cover = user.covers.get(ask.room.roomId)
    // Heads that were read from Postgres may be ahead of what the feed has handed on.
    const isProven = (user.host.feed.provenTo(ask.room.shard) ?? -1) >= ask.upTo
    const isCovered = !all && isProven && cover?.from !== undefined && cover.from <= ask.after
    if (isCovered && cover.lastPos <= ask.after) continue
    const found = isCovered ? viewFromRing(user.host, viewer, ask) : undefined
    const view = found instanceof Promise ? await found : found
    if (view === undefined) others.push(ask)
    else views.push(view)
  }
  if (others.length > 0) views.push(...(await readRooms(user.host, viewer, others)))
  return { views, fromDatabase: others.length > 0 }
}

interface JoinedInput {
  readonly steady: readonly (RoomView | RingView)[]
  readonly fresh: readonly RoomView[]
  readonly accountData: ReadonlyMap<string, readonly AccountDataItem[]>
  readonly typing: TypingNews['rooms']
  readonly sections: Sections
}

async function joinedRooms(
  user: UserView,
  options: AnswerOptions,
  input: JoinedInput,
): Promise<readonly (readonly [string, string])[]> {
  const { plan, viewer } = options
  const { accountData, typing } = input
  const told = input.steady.filter((view) => plan.fullState || saysSomething(view))
  const seen = new Set(told.map((view) => view.ask.room.roomId as string))
  const extra = input.sections.steady
    .filter(({ room }) => !seen.has(room.roomId) && (typing.has(room.roomId) || accountData.has(room.roomId)))
    .map(emptyView)
  const views = [...told, ...extra, ...input.fresh]
  const whole = views.filter((view) => isWhole(plan, view))
  await user.host.counts.load(
    whole.map(({ ask }) => ({
      roomNid: ask.room.roomNid,
      pos: ask.upTo,
      heardTo: user.host.heardTo(ask.room.roomNid),
    })),
  )
  // After that, for push rules depend on how many members there are.
  await countUnread(user, viewer, views)
  const rooms = await Promise.all(
    views.map((view) => joinedRoom(user, options, view, { typing, accountData })),
  )
  return rooms.filter((room) => room !== undefined)
}

function* roomIdsOf(asks: readonly RoomAsk[]): Iterable<string> {
  for (const { room } of asks) yield room.roomId
}

function saysSomething({ delta, roots, timeline }: RoomView): boolean {
  if (timeline.events.length > 0 || timeline.limited || delta.receipts.length > 0) return true
  return delta.memberRows.length > 0 || roots.since !== roots.end
}

function emptyView(ask: RoomAsk): RoomView {
  const timeline = { events: [], limited: false, startsAt: ask.upTo + 1 }
  return {
    ask,
    delta: emptyDelta,
    timeline,
    text: '',
    roots: { since: undefined, start: undefined, end: undefined },
  }
}

function isWhole(plan: SyncPlan, view: RoomView): boolean {
  return plan.fullState || view.ask.mode === 'fresh'
}

async function countUnread(
  user: UserView,
  viewer: Viewer,
  views: readonly (RoomView | RingView)[],
): Promise<void> {
  const behind: { room: RoomAsk['room']; upTo: number }[] = []
  for (const { ask } of views) {
    const followed = user.unread.follow(ask.room, ask.upTo, viewer.rules)
    if (!(followed instanceof Promise ? await followed : followed))
      behind.push({ room: ask.room, upTo: ask.upTo })
  }
  if (behind.length > 0) {
    await user.host.rooms.load(behind.map(({ room }) => room.roomNid))
    await user.unread.catchUp(behind, viewer.rules)
  }
  for (const { ask, delta } of views) user.unread.read(ask.room, delta.receipts)
}

async function joinedRoom(
  user: UserView,
  options: AnswerOptions,
  view: RoomView | RingView,
  extra: {
    typing: TypingNews['rooms']
    accountData: ReadonlyMap<string, readonly AccountDataItem[]>
  },
): Promise<readonly [string, string] | undefined> {
  const { host } = user
  const { plan, viewer } = options
  const { filter } = plan
  const { roomId } = view.ask.room
  const found = stateOf(host, viewer, view, stateOptions(options, isWhole(plan, view)))
  const state = found instanceof Promise ? await found : found
  const items =
    view.ask.mode === 'fresh' ? await user.own.accountData(roomId) : (extra.accountData.get(roomId) ?? [])
  const parts = {
    view: plan.since !== undefined && view.ask.mode === 'fresh' ? detached(view) : view,
    state,
    accountData: accountDataEvents(items, (event) => filter.roomAccountData({ ...event, room_id: roomId })),
    ephemeral: ephemeralOf(options, view, extra.typing.get(roomId)),
    unread: user.unread.count(roomId),
  }
  if (!isWhole(plan, view) && tellsNothing(parts, viewer)) return undefined
  return [roomId, joinedRoomText(host, filter, plan.stateAfter, parts)]
}

/** Whether filters have left nothing of what happened; that he has read something always counts. */
function tellsNothing(parts: JoinedRoomParts, { userId }: Viewer): boolean {
  const { accountData, ephemeral, state, view } = parts
  if (view.text !== '' || view.timeline.limited || state.events.length > 0 || state.summary !== undefined)
    return false
  if (accountData.length > 0 || ephemeral.length > 0) return false
  return !view.delta.receipts.some((receipt) => receipt.userId === userId)
}

/**
 * NOTSPEC: a room that the client is told anew is `limited` even where nothing is left out. Its timeline does not continue what the client
 * may still have of the room from an earlier time in it, and only that word makes clients begin afresh.
 */
function detached(view: RoomView | RingView): RoomView | RingView {
  return { ...view, timeline: { ...view.timeline, limited: true } }
}

function stateOptions({ plan, memory }: AnswerOptions, full: boolean): StateOptions {
  return { full, after: plan.stateAfter, memory }
}

function ephemeralOf(
  { plan, viewer }: AnswerOptions,
  view: RoomView,
  typing: readonly string[] | undefined,
): string[] {
  const events: string[] = []
  const wants = (type: string): boolean =>
    plan.filter.ephemeral({ type, room_id: view.ask.room.roomId, content: {} })
  const receipts =
    viewer.ignored.size === 0
      ? view.delta.receipts
      : view.delta.receipts.filter(({ userId }) => !viewer.ignored.has(userId))
  const receipt = receiptEvent(receipts)
  if (receipt !== undefined && wants('m.receipt')) events.push(receipt)
  if (typing !== undefined && wants('m.typing'))
    events.push(typingEvent(typing.filter((userId) => !viewer.ignored.has(userId))))
  return events
}

async function leftRoom(
  user: UserView,
  options: AnswerOptions,
  ask: LeftAsk,
  view: RoomView | undefined,
): Promise<readonly (readonly [string, string])[]> {
  if (view === undefined) return []
  const { plan, viewer } = options
  const found = ask.wasOutside ? noState : stateOf(user.host, viewer, view, stateOptions(options, !ask.wasIn))
  const state = found instanceof Promise ? await found : found
  return [[ask.room.roomId, leftRoomText(user.host, plan.filter, plan.stateAfter, { view, state })]]
}
