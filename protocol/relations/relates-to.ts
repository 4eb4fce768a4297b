/**
 * Relations between events: lenient readers of `m.relates_to`, and the rules for edits and threads. "Relationships which
 * don't match the schema, or which break the rules of a relationship, are simply ignored." Client-server API v1.19,
 * "Forming relationships between events".
 */
import { isEventId } from '../ids/event-id.ts'
import type { EventId } from '../ids/event-id.ts'
import { field, isJsonObject, objectField, stringField } from '../json/types.ts'
import type { JsonObject } from '../json/types.ts'

/** What an event says about the event that it relates to. */
export interface Relation {
  readonly relType: string
  readonly eventId: EventId
  /** Of annotations: what is annotated, such as an emoji. */
  readonly key?: string
  /** Of threads: the reply is there for clients that know no threads. */
  readonly isFallingBack: boolean
  /** The event that this one replies to. */
  readonly inReplyTo?: EventId
}

/** How many relations are followed to find the thread that an event belongs to: "a maximum of 3 hops". */
const maxThreadHops = 3

/** The relation that an event's content states, or undefined when it states none that is complete. */
export function relationOf(content: JsonObject): Relation | undefined {
  const relates = objectField(content, 'm.relates_to')
  if (relates === undefined) return undefined
  const relType = stringField(relates, 'rel_type')
  const eventId = eventIdField(relates, 'event_id')
  if (relType === undefined || eventId === undefined) return undefined
  const key = stringField(relates, 'key')
  const inReplyTo = repliedEventOf(content)
  return {
    relType,
    eventId,
    ...(key === undefined ? {} : { key }),
    isFallingBack: field(relates, 'is_falling_back') === true,
    ...(inReplyTo === undefined ? {} : { inReplyTo }),
  }
}

/** The event that this one is a rich reply to; such a relation has no `rel_type`. "Rich replies". */
export function repliedEventOf(content: JsonObject): EventId | undefined {
  const relates = objectField(content, 'm.relates_to')
  const reply = relates === undefined ? undefined : objectField(relates, 'm.in_reply_to')
  return reply === undefined ? undefined : eventIdField(reply, 'event_id')
}

/**
 * The root of the thread that an event with this content belongs to, or undefined for the main timeline: "the server
 * follows the event relationship until it finds a thread root". `contentOf` gives the content of an event, or undefined
 * where it is not known.
 */
export function threadRootOf(
  content: JsonObject,
  contentOf: (eventId: EventId) => JsonObject | undefined,
): EventId | undefined {
  let current: JsonObject | undefined = content
  for (let hop = 0; hop <= maxThreadHops && current !== undefined; hop++) {
    const relation = relationOf(current)
    if (relation === undefined) return undefined
    if (relation.relType === 'm.thread') return relation.eventId
    current = hop < maxThreadHops ? contentOf(relation.eventId) : undefined
  }
  return undefined
}

/**
 * Whether a thread may start at an event with this content. "Servers SHOULD reject client requests which attempt to
 * start a thread off an event with an `m.relates_to` property."
 * NOTSPEC: a plain reply, which has no `rel_type`, may; clients offer it, and no loop can come of it.
 */
export function mayBeThreadRoot(content: JsonObject): boolean {
  return relationOf(content) === undefined
}

/** The parts of an event that decide whether it is an edit of another. */
export interface EditCandidate {
  readonly type: string
  readonly sender: string
  readonly state_key?: string | undefined
  readonly content: JsonObject
}

/**
 * Whether one event of a room is a valid replacement of another of the same room. "Validity of replacement events". That
 * the edit names the original, and that neither is redacted, is the caller's to know.
 */
export function isValidEdit(original: EditCandidate, edit: EditCandidate): boolean {
  // "The original event and replacement event must have the same `sender`"
  if (original.sender !== edit.sender) return false
  // "The replacement and original events must have the same `type`"
  if (original.type !== edit.type) return false
  // "The replacement and original events must not have a `state_key` property"
  if (original.state_key !== undefined || edit.state_key !== undefined) return false
  // "The original event must not, itself, have a `rel_type` of `m.replace`"
  if (relationOf(original.content)?.relType === 'm.replace') return false
  if (relationOf(edit.content)?.relType !== 'm.replace') return false
  // "The replacement event (once decrypted, if appropriate) must have an `m.new_content` property."
  return edit.type === 'm.room.encrypted' || isJsonObject(field(edit.content, 'm.new_content'))
}

/** What orders the edits of an event. */
export interface EditOrder {
  readonly eventId: string
  /** Milliseconds since the epoch, as its sender's server said. */
  readonly originServerTs: number
}

/**
 * The order of two edits, negative when the first is older: "determined by comparing `origin_server_ts`; if two or more
 * replacement events have identical `origin_server_ts`, the event with the lexicographically largest `event_id` is
 * treated as more recent".
 */
export function compareEdits(a: EditOrder, b: EditOrder): number {
  if (a.originServerTs !== b.originServerTs) return a.originServerTs - b.originServerTs
  return a.eventId < b.eventId ? -1 : a.eventId > b.eventId ? 1 : 0
}

/**
 * The content of an edited event: "overwritten entirely by `m.new_content`, with the exception of `m.relates_to`, which
 * is left *unchanged*". The original content when the edit has no new one to give.
 */
export function editedContent(original: JsonObject, edit: JsonObject): JsonObject {
  const replacement = objectField(edit, 'm.new_content')
  if (replacement === undefined) return original
  const { 'm.relates_to': _, ...content } = replacement
  const relates = field(original, 'm.relates_to')
  return relates === undefined ? content : { ...content, 'm.relates_to': relates }
}

function eventIdField(object: JsonObject, key: string): EventId | undefined {
  const text = stringField(object, key)
  return text !== undefined && isEventId(text) ? text : undefined
}
