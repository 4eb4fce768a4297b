/** Filters turned into predicates; compile one once per request and ask it for every event. */
import { isJsonObject } from '../json/types.ts'
import type { JsonObject, JsonValue } from '../json/types.ts'
import { compileGlob } from '../push/glob.ts'
import type { GlobMatcher } from '../push/glob.ts'
import type { PropertyPath } from '../push/prepared-event.ts'
import type { EventFilter, RoomChoice, RoomEventFilter } from './filter.ts'

/** The parts of an event that filters look at. Account data has no sender, and outside rooms there is no room id. */
export interface FilteredEvent {
  readonly type: string
  readonly sender?: string | undefined
  readonly room_id?: string | undefined
  readonly content: JsonObject
}

/** Whether an event is wanted. */
export type EventPredicate = (event: FilteredEvent) => boolean

/** The predicate that wants every event; compare with it to skip work. */
export const wantsAll: EventPredicate = () => true

/**
 * Whether an event passes a filter's types, senders, rooms and `contains_url`. What is listed in a `not_` list "will be
 * excluded even if it is listed" in the other. Gives `wantsAll` for a filter that restricts nothing.
 */
export function compileEventFilter(filter: EventFilter | RoomEventFilter): EventPredicate {
  const checks: EventPredicate[] = []
  const type = choice(typeMatcher(filter.types), typeMatcher(unlessEmpty(filter.notTypes)))
  const sender = choice(listMatcher(filter.senders), listMatcher(unlessEmpty(filter.notSenders)))
  if (type !== undefined) checks.push((event) => type(event.type))
  if (sender !== undefined) checks.push((event) => sender(event.sender))
  if ('notRooms' in filter) checks.push(...roomChecks(filter))
  if (checks.length === 0) return wantsAll
  return (event) => checks.every((check) => check(event))
}

/** Whether a room passes `rooms` and `not_rooms`; of a sync filter's `room` part "applied before the filters" within it. */
export function compileRoomChoice(filter: RoomChoice): (roomId: string) => boolean {
  return choice(listMatcher(filter.rooms), listMatcher(unlessEmpty(filter.notRooms))) ?? (() => true)
}

/**
 * The projection of an event (or other object) onto the given fields: an object with what of them it has. Arrays are
 * kept or left out as a whole.
 */
export function compileFieldProjection(paths: readonly PropertyPath[]): (event: JsonObject) => JsonObject {
  const tree: FieldTree = { whole: false, children: new Map() }
  for (const { keys } of paths) {
    let node = tree
    for (const key of keys) {
      node = node.children.getOrInsertComputed(key, () => ({ whole: false, children: new Map() }))
    }
    node.whole = true
  }
  return (event) => project(event, tree)
}

interface FieldTree {
  whole: boolean
  readonly children: Map<string, FieldTree>
}

/** As deep as the paths are, which the reader of filters limits. */
function project(object: JsonObject, tree: FieldTree): JsonObject {
  const entries: [string, JsonValue][] = []
  for (const [key, child] of tree.children) {
    if (!Object.hasOwn(object, key)) continue
    const value = object[key]
    if (value === undefined) continue
    if (child.whole) entries.push([key, value])
    else if (isJsonObject(value)) entries.push([key, project(value, child)])
  }
  return Object.fromEntries(entries)
}

function roomChecks(filter: RoomEventFilter): EventPredicate[] {
  const checks: EventPredicate[] = []
  const room = choice(listMatcher(filter.rooms), listMatcher(unlessEmpty(filter.notRooms)))
  const { containsUrl } = filter
  // An event whose room the caller already knows to be wanted may come without its id.
  if (room !== undefined) checks.push((event) => event.room_id === undefined || room(event.room_id))
  if (containsUrl !== undefined) checks.push((event) => Object.hasOwn(event.content, 'url') === containsUrl)
  return checks
}

type Matcher = (text: string | undefined) => boolean

/** In the first (or no first is given) and not in the second; undefined when that is everything. */
function choice(wanted: Matcher | undefined, unwanted: Matcher | undefined): Matcher | undefined {
  if (unwanted === undefined) return wanted
  if (wanted === undefined) return (text) => !unwanted(text)
  return (text) => wanted(text) && !unwanted(text)
}

/** A list that excludes; an empty one excludes nothing. */
function unlessEmpty(list: readonly string[]): readonly string[] | undefined {
  return list.length === 0 ? undefined : list
}

function listMatcher(list: readonly string[] | undefined): Matcher | undefined {
  if (list === undefined) return undefined
  const set = new Set(list)
  return (text) => text !== undefined && set.has(text)
}

/** "A `*` can be used as a wildcard to match any sequence of characters." */
function typeMatcher(list: readonly string[] | undefined): Matcher | undefined {
  if (list === undefined) return undefined
  const exact = new Set(list.filter((type) => !type.includes('*')))
  const globs: GlobMatcher[] = list
    .filter((type) => type.includes('*'))
    .map((type) => compileGlob(type, { wildcards: '*' }))
  return (type) => type !== undefined && (exact.has(type) || globs.some((matches) => matches(type)))
}
