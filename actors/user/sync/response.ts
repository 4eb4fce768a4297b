/** The response as text, put together from texts; only what says something is in it. */

import { parseJson } from '#protocol/json/parse.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '#protocol/json/types.ts'
import { formatRoomToken, placeBefore } from '#protocol/tokens/room-token.ts'
import type { AccountDataItem } from '../own-state.ts'
import type { DeviceLists } from '#storage/sync/device-lists.ts'
import type { RoomView } from './from-database.ts'
import type { SyncHost } from './host.ts'
import { presentState } from './present.ts'
import type { CompiledFilter } from './request.ts'
import type { StateParts } from './state.ts'
import type { UnreadCount } from './unread.ts'

export interface JoinedRoomParts {
  readonly view: RoomView
  readonly state: StateParts
  /** Texts of events. */
  readonly accountData: readonly string[]
  readonly ephemeral: readonly string[]
  readonly unread: UnreadCount
}

export interface ResponseParts {
  /** Room id and text of each room, by section. */
  readonly join: readonly (readonly [string, string])[]
  readonly invite: readonly (readonly [string, string])[]
  readonly knock: readonly (readonly [string, string])[]
  readonly leave: readonly (readonly [string, string])[]
  /** Texts of events. */
  readonly accountData: readonly string[]
  readonly toDevice: readonly string[]
  readonly deviceLists: DeviceLists
  readonly keyCounts: string
}

/** Whether there is nothing to tell but the token. */
export function isEmpty(parts: ResponseParts): boolean {
  const { accountData, deviceLists, invite, join, knock, leave, toDevice } = parts
  const lists = [join, invite, knock, leave, accountData, toDevice, deviceLists.changed, deviceLists.left]
  return lists.every((list) => list.length === 0)
}

export function responseText(parts: ResponseParts, nextBatch: string): string {
  let text = `{"next_batch":"${nextBatch}",${parts.keyCounts}`
  if (parts.accountData.length > 0) text += `,"account_data":${eventList(parts.accountData)}`
  if (parts.toDevice.length > 0) text += `,"to_device":${eventList(parts.toDevice)}`
  const { changed, left } = parts.deviceLists
  if (changed.length > 0 || left.length > 0) text += `,"device_lists":${JSON.stringify({ changed, left })}`
  const rooms = roomsText(parts)
  if (rooms !== '') text += `,"rooms":{${rooms}}`
  return `${text}}`
}

/** What every response says of the device's keys. */
export function keyCountsText(
  counts: Readonly<Record<string, number>>,
  unusedFallback: readonly string[],
): string {
  return (
    `"device_one_time_keys_count":${JSON.stringify(counts)},` +
    `"device_unused_fallback_key_types":${JSON.stringify(unusedFallback)}`
  )
}

/** The item as an event, or undefined where the filter does not want it. */
export function accountDataEvents(
  items: readonly AccountDataItem[],
  wants: CompiledFilter['accountData'],
): string[] {
  return items
    .filter(({ type, content }) => wants({ type, content }))
    .map(({ type, content }) => `{"content":${JSON.stringify(content)},"type":${JSON.stringify(type)}}`)
}

export function joinedRoomText(
  host: SyncHost,
  filter: CompiledFilter,
  stateAfter: boolean,
  parts: JoinedRoomParts,
): string {
  let text = `{${timelineAndState(host, filter, stateAfter, parts)}`
  if (parts.state.summary !== undefined) text += `,"summary":${parts.state.summary}`
  if (parts.accountData.length > 0) text += `,"account_data":${eventList(parts.accountData)}`
  if (parts.ephemeral.length > 0) text += `,"ephemeral":${eventList(parts.ephemeral)}`
  return `${text},${unreadText(parts.unread, filter.threadCounts)}}`
}

export function leftRoomText(
  host: SyncHost,
  filter: CompiledFilter,
  stateAfter: boolean,
  parts: Pick<JoinedRoomParts, 'view' | 'state'>,
): string {
  return `{${timelineAndState(host, filter, stateAfter, parts)}}`
}

function timelineAndState(
  host: SyncHost,
  filter: CompiledFilter,
  stateAfter: boolean,
  { view, state }: Pick<JoinedRoomParts, 'view' | 'state'>,
): string {
  const { shard, roomNid } = view.ask.room
  const { limited, startsAt } = view.timeline
  const prevBatch = formatRoomToken(placeBefore({ shard, pos: startsAt, sub: 0 }))
  const events =
    filter.project === undefined || view.text === '' ? view.text : projected(view.text, filter.project)
  let states = ''
  if (state.events.length > 0) {
    const how = {
      texts: host.texts,
      room: host.rooms.get(roomNid),
      nowMs: host.clock.now(),
      redactions: state.redactions,
    }
    states = state.events.map((event) => presentState(event, how)).join(',')
    if (filter.project !== undefined) states = projected(states, filter.project)
  }
  return (
    `"timeline":{"events":[${events}],"limited":${limited},"prev_batch":"${prevBatch}"},` +
    `"${stateAfter ? 'state_after' : 'state'}":{"events":[${states}]}`
  )
}

/** NOTSPEC: `event_fields` are applied to events of rooms; of the rest nothing is left out. */
function projected(events: string, project: (event: JsonObject) => JsonObject): string {
  const list = parseJson(`[${events}]`) as JsonValue[]
  return list.map((event) => JSON.stringify(isJsonObject(event) ? project(event) : event)).join(',')
}

function unreadText({ main, threads, total }: UnreadCount, byThread: boolean): string {
  const count = byThread ? main : total
  const text = `"unread_notifications":{"highlight_count":${count.highlights},"notification_count":${count.notifications}}`
  if (!byThread || threads.size === 0) return text
  const counts = Array.from(threads, ([thread, { highlights, notifications }]) => [
    thread,
    { highlight_count: highlights, notification_count: notifications },
  ])
  return `${text},"unread_thread_notifications":${JSON.stringify(Object.fromEntries(counts))}`
}

function roomsText(parts: ResponseParts): string {
  const sections: string[] = []
  for (const name of ['join', 'invite', 'knock', 'leave'] as const) {
    const rooms = parts[name]
    if (rooms.length === 0) continue
    sections.push(
      `"${name}":{${rooms.map(([roomId, text]) => `${JSON.stringify(roomId)}:${text}`).join(',')}}`,
    )
  }
  return sections.join(',')
}

function eventList(texts: readonly string[]): string {
  return `{"events":[${texts.join(',')}]}`
}
