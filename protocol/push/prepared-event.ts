/**
 * An event made ready to be checked against the push rules of many users: what does not depend on the user is found
 * once and kept here.
 */
import { isJsonObject } from '../json/types.ts'
import type { JsonObject, JsonValue } from '../json/types.ts'

/** The parts of an event that push rules can see. */
export interface PushEvent {
  readonly type: string
  readonly sender: string
  readonly content: JsonObject
  readonly state_key?: string | undefined
  readonly room_id?: string | undefined
  readonly event_id?: string | undefined
}

/** The parts of the room's current state that push rules ask for. */
export interface PushRoom {
  /** Joined members, of all servers. */
  readonly memberCount: number
  /** The power level of the event's sender; infinite for a creator in rooms of version 12. */
  readonly senderPower: number
  /** The level needed to notify in this way: `notifications` of m.room.power_levels, 50 where nothing is said. */
  notificationPower(key: string): number
}

/** A property's place in an event: the path as written, and its keys. */
export interface PropertyPath {
  readonly text: string
  readonly keys: readonly string[]
}

/** The event with what has been looked up in it so far. */
export interface EventProperties {
  readonly event: PushEvent
  readonly room: PushRoom
  /** Users in `m.mentions`, empty where there is none. */
  readonly mentions: ReadonlySet<string>
  readonly values: Map<string, JsonValue | undefined>
  readonly folded: Map<string, string | undefined>
}

const noMentions: ReadonlySet<string> = new Set()

/** The event without anything looked up yet, but its mentions. */
export function eventProperties(event: PushEvent, room: PushRoom): EventProperties {
  return { event, room, mentions: mentionedUsers(event.content), values: new Map(), folded: new Map() }
}

/**
 * The keys of a path. Appendices v1.19, "Dot-separated property paths": a dot or backslash in a name is escaped with a
 * backslash; other escape sequences are left as they are.
 */
export function parsePath(text: string): PropertyPath {
  const keys = ['']
  for (const [token] of text.matchAll(/\\[.\\]|[^]/g)) {
    if (token === '.') keys.push('')
    else keys[keys.length - 1] += token.length === 2 ? token.slice(1) : token
  }
  return { text, keys }
}

/** The value at a path, or undefined. */
export function propertyAt(properties: EventProperties, path: PropertyPath): JsonValue | undefined {
  const known = properties.values.get(path.text)
  if (known !== undefined || properties.values.has(path.text)) return known
  let value: unknown = properties.event
  for (const key of path.keys) {
    value = isJsonObject(value) && Object.hasOwn(value, key) ? value[key] : undefined
  }
  // The cast is sound: events are made of JSON values, and an absent field is undefined.
  const found = value as JsonValue | undefined
  properties.values.set(path.text, found)
  return found
}

/** The string at a path with its case folded, or undefined when there is none or it is something else. */
export function foldedStringAt(properties: EventProperties, path: PropertyPath): string | undefined {
  const known = properties.folded.get(path.text)
  if (known !== undefined || properties.folded.has(path.text)) return known
  const value = propertyAt(properties, path)
  const folded = typeof value === 'string' ? foldCase(value) : undefined
  properties.folded.set(path.text, folded)
  return folded
}

/** What "case-insensitively" means here: both sides in lower case. */
export function foldCase(text: string): string {
  return text.toLowerCase()
}

/** The users whom an event mentions: `m.mentions.user_ids`, "User and room mentions". */
export function mentionedUsers(content: JsonObject): ReadonlySet<string> {
  if (!Object.hasOwn(content, 'm.mentions')) return noMentions
  const mentions = content['m.mentions']
  if (!isJsonObject(mentions) || !Object.hasOwn(mentions, 'user_ids')) return noMentions
  const ids = mentions['user_ids']
  return Array.isArray(ids) ? new Set(ids.filter((id) => typeof id === 'string')) : noMentions
}
