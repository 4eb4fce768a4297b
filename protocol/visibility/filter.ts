/**
 * Filters of `/sync`, `/messages`, `/context` and their kin: reading them strictly, and turning them into predicates.
 * Client-server API v1.19, "Filtering". Field names that the specification does not know are ignored.
 */
import { MatrixError } from '../errors.ts'
import { isRoomId } from '../ids/room-id.ts'
import { isUserId } from '../ids/user-id.ts'
import { utf8Bytes } from '../json/limits.ts'
import { field, isJsonObject } from '../json/types.ts'
import type { JsonObject, JsonValue } from '../json/types.ts'
import { parsePath } from '../push/prepared-event.ts'
import type { PropertyPath } from '../push/prepared-event.ts'

/** The greatest size of a filter as JSON, in bytes. */
export const maxFilterBytes = 65_536

/** The most keys in one path of `event_fields`. No event of a client's making is so deep that it needs more. */
export const maxFieldKeys = 32

/** Which events are wanted. An absent list wants all, an empty one none. */
export interface EventFilter {
  /** The most events to return; 0 is allowed and asks for none. */
  readonly limit?: number
  /** Types with `*` for any characters, as are `notTypes`. */
  readonly types?: readonly string[]
  readonly notTypes: readonly string[]
  readonly senders?: readonly string[]
  readonly notSenders: readonly string[]
}

/** Which rooms are wanted. */
export interface RoomChoice {
  readonly rooms?: readonly string[]
  readonly notRooms: readonly string[]
}

/** Which events of rooms are wanted, and how their members are sent. */
export interface RoomEventFilter extends EventFilter, RoomChoice {
  /** Only events with (true) or without (false) a `url` in their content. */
  readonly containsUrl?: boolean
  readonly lazyLoadMembers: boolean
  readonly includeRedundantMembers: boolean
  readonly unreadThreadNotifications: boolean
}

/** The `room` part of a sync filter. */
export interface RoomFilter extends RoomChoice {
  readonly includeLeave: boolean
  readonly ephemeral: RoomEventFilter
  readonly state: RoomEventFilter
  readonly timeline: RoomEventFilter
  readonly accountData: RoomEventFilter
}

/** A sync filter with all defaults filled in. */
export interface Filter {
  /** The fields of events to keep; all when absent. */
  readonly eventFields?: readonly PropertyPath[]
  readonly eventFormat: 'client' | 'federation'
  readonly presence: EventFilter
  readonly accountData: EventFilter
  readonly room: RoomFilter
}

/** The filter that wants everything. */
export const defaultFilter: Filter = parseFilter({})

/**
 * A sync filter from JSON. Throws M_BAD_JSON where a value has the wrong type, M_INVALID_PARAM where it is of the right
 * type and not acceptable, M_TOO_LARGE past 64 KiB.
 */
export function parseFilter(json: JsonValue): Filter {
  const body = filterObject(json)
  const eventFields = stringList(body, 'event_fields', isFieldPath)
  return {
    ...(eventFields === undefined || eventFields.length === 0
      ? {}
      : { eventFields: eventFields.map(parsePath) }),
    eventFormat: eventFormat(body),
    presence: eventFilter(subFilter(body, 'presence')),
    accountData: eventFilter(subFilter(body, 'account_data')),
    room: roomFilter(subFilter(body, 'room')),
  }
}

/** A room event filter from JSON, as `/messages` and `/context` take it. Throws as `parseFilter` does. */
export function parseRoomEventFilter(json: JsonValue): RoomEventFilter {
  return roomEventFilter(filterObject(json))
}

function filterObject(json: JsonValue): JsonObject {
  if (!isJsonObject(json)) throw new MatrixError('M_BAD_JSON', 'A filter is a JSON object.')
  if (utf8Bytes(JSON.stringify(json)) <= maxFilterBytes) return json
  throw new MatrixError('M_TOO_LARGE', `A filter can take ${maxFilterBytes} bytes at most.`)
}

function roomFilter(body: JsonObject): RoomFilter {
  return {
    ...roomChoice(body),
    includeLeave: flag(body, 'include_leave') ?? false,
    ephemeral: roomEventFilter(subFilter(body, 'ephemeral')),
    state: roomEventFilter(subFilter(body, 'state')),
    timeline: roomEventFilter(subFilter(body, 'timeline')),
    accountData: roomEventFilter(subFilter(body, 'account_data')),
  }
}

function roomEventFilter(body: JsonObject): RoomEventFilter {
  const containsUrl = flag(body, 'contains_url')
  return {
    ...eventFilter(body),
    ...roomChoice(body),
    ...(containsUrl === undefined ? {} : { containsUrl }),
    lazyLoadMembers: flag(body, 'lazy_load_members') ?? false,
    includeRedundantMembers: flag(body, 'include_redundant_members') ?? false,
    unreadThreadNotifications: flag(body, 'unread_thread_notifications') ?? false,
  }
}

function eventFilter(body: JsonObject): EventFilter {
  const limit = limitOf(body)
  const types = stringList(body, 'types')
  const senders = stringList(body, 'senders', isUserId)
  return {
    ...(limit === undefined ? {} : { limit }),
    ...(types === undefined ? {} : { types }),
    notTypes: stringList(body, 'not_types') ?? [],
    ...(senders === undefined ? {} : { senders }),
    notSenders: stringList(body, 'not_senders', isUserId) ?? [],
  }
}

function roomChoice(body: JsonObject): RoomChoice {
  const rooms = stringList(body, 'rooms', isRoomId)
  return {
    ...(rooms === undefined ? {} : { rooms }),
    notRooms: stringList(body, 'not_rooms', isRoomId) ?? [],
  }
}

/**
 * NOTSPEC: "must be an integer greater than 0". Clients send 0 where they want no timeline, and mean it.
 */
function limitOf(body: JsonObject): number | undefined {
  const limit = field(body, 'limit')
  if (limit === undefined) return undefined
  if (typeof limit !== 'number') throw wrongType('limit', 'an integer')
  if (Number.isSafeInteger(limit) && limit >= 0) return limit
  throw new MatrixError('M_INVALID_PARAM', 'The limit of a filter is an integer from 0 upwards.')
}

function eventFormat(body: JsonObject): 'client' | 'federation' {
  const format = field(body, 'event_format')
  if (format === undefined) return 'client'
  if (format === 'client' || format === 'federation') return format
  throw new MatrixError('M_INVALID_PARAM', 'The event_format of a filter is "client" or "federation".')
}

function subFilter(body: JsonObject, name: string): JsonObject {
  const value = field(body, name)
  if (value === undefined) return {}
  if (!isJsonObject(value)) throw wrongType(name, 'an object')
  return value
}

function flag(body: JsonObject, name: string): boolean | undefined {
  const value = field(body, name)
  if (value !== undefined && typeof value !== 'boolean') throw wrongType(name, 'true or false')
  return value
}

function stringList(
  body: JsonObject,
  name: string,
  accepts: (text: string) => boolean = () => true,
): string[] | undefined {
  const value = field(body, name)
  if (value === undefined) return undefined
  if (!Array.isArray(value)) throw wrongType(name, 'a list of strings')
  return value.map((item: JsonValue) => {
    if (typeof item !== 'string') throw wrongType(name, 'a list of strings')
    if (!accepts(item))
      throw new MatrixError('M_INVALID_PARAM', `The filter's ${name} has an entry that is not valid.`)
    return item
  })
}

function isFieldPath(text: string): boolean {
  return parsePath(text).keys.length <= maxFieldKeys
}

function wrongType(name: string, wanted: string): MatrixError {
  return new MatrixError('M_BAD_JSON', `In a filter, ${name} is ${wanted}.`)
}
