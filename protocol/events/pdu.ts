// The event as it goes between servers, and the check of its form: the first of the checks on receipt of a PDU.

import { parseJson } from '../json/parse.ts'
import type { EventId } from '../ids/event-id.ts'
import { isEventIdOfFormat } from '../ids/event-id.ts'
import { isRoomId, type RoomId } from '../ids/room-id.ts'
import { isUserId, type UserId } from '../ids/user-id.ts'
import { canonicalJson } from '../json/canonical.ts'
import {
  maxAuthEvents,
  maxEventBytes,
  maxFieldBytes,
  maxInteger,
  maxPrevEvents,
  utf8Bytes,
} from '../json/limits.ts'
import type { JsonFlaw, ReceivedJson } from '../json/received.ts'
import { parseStrictJson } from '../json/strict-parse.ts'
import { field, isJsonObject, JsonError, objectField, stringField } from '../json/types.ts'
import type { JsonArray, JsonObject, JsonValue } from '../json/types.ts'
import type { RoomVersionRules } from '../versions/rules.ts'

/**
 * An event in the federation format of room version 3 and later; versions 1 and 2 differ as `prevEventIds` says.
 * Whatever other keys it was received with are there as well. Never changed in place. Server-server API v1.19, "PDUs".
 */
export interface Pdu extends JsonObject {
  readonly type: string
  /** Present on state events only. */
  readonly state_key?: string
  readonly sender: UserId
  /** Absent in the create event of version 12. */
  readonly room_id?: RoomId
  readonly content: JsonObject
  readonly prev_events: JsonArray
  readonly auth_events: JsonArray
  readonly depth: number
  readonly origin_server_ts: number
  readonly hashes: JsonObject
  /** By server name, then key id. Absent while an event of this server is not signed yet. */
  readonly signatures?: JsonObject
  /** The target of a redaction before version 11; read with `redactsOf`. */
  readonly redacts?: JsonValue
  readonly unsigned?: JsonObject
}

/** What can be wrong with the form of an event, by field. */
export type FormatRule =
  | 'auth_events'
  | 'content'
  | 'depth'
  | 'event_id'
  | 'hashes'
  | 'not_an_object'
  | 'not_canonical_json'
  | 'origin_server_ts'
  | 'prev_events'
  | 'room_id'
  | 'sender'
  | 'signatures'
  | 'state_key'
  | 'too_large'
  | 'type'
  | 'unsigned'

/** The event if its form is that of the room version; otherwise the field at fault, and the event is to be dropped. */
export type FormatVerdict =
  | { readonly ok: true; readonly pdu: Pdu; readonly json: string }
  | { readonly ok: false; readonly rule: FormatRule; readonly why: string }

type FieldCheck = readonly [
  rule: FormatRule,
  why: string,
  isGood: (rules: RoomVersionRules, event: JsonObject) => boolean,
]

const fieldChecks: readonly FieldCheck[] = [
  [
    'type',
    'must be a string of at most 255 bytes',
    (rules, event) => isShortString(rules, field(event, 'type')),
  ],
  ['state_key', 'must be a string of at most 255 bytes', hasGoodStateKey],
  ['sender', 'must be a user id', (_rules, event) => isUserId(stringField(event, 'sender') ?? '')],
  ['room_id', 'must be a room id', hasGoodRoomId],
  ['content', 'must be an object', (_rules, event) => isJsonObject(field(event, 'content'))],
  [
    'prev_events',
    `must be at most ${maxPrevEvents} ids of other events`,
    (rules, event) => isRefs(rules, event, 'prev_events', maxPrevEvents),
  ],
  [
    'auth_events',
    `must be at most ${maxAuthEvents} ids of other events`,
    (rules, event) => isRefs(rules, event, 'auth_events', maxAuthEvents),
  ],
  ['depth', 'must be an integer from 0 to 2^53 - 1', (rules, event) => isDepth(rules, field(event, 'depth'))],
  [
    'origin_server_ts',
    'must be an integer',
    (_rules, event) => Number.isInteger(field(event, 'origin_server_ts')),
  ],
  [
    'hashes',
    'must contain a string sha256',
    (_rules, event) => stringField(objectField(event, 'hashes') ?? {}, 'sha256') !== undefined,
  ],
  ['signatures', 'must be an object', (_rules, event) => isJsonObject(field(event, 'signatures'))],
  ['unsigned', 'must be an object', (_rules, event) => isJsonObject(field(event, 'unsigned') ?? {})],
  ['event_id', 'must be an event id with a domain', hasGoodEventId],
]

/**
 * Checks the form of an event that another server sent: the fields, their types and sizes, at most 20 previous and 10 auth
 * events, canonical JSON where the version demands it, and at most 65,536 bytes. What fails is dropped.
 * Server-server API v1.19, "Checks performed on receipt of a PDU", check 1.
 */
export function checkFormat(rules: RoomVersionRules, value: JsonValue): FormatVerdict {
  if (!isJsonObject(value)) return fail('not_an_object', 'An event must be an object.')
  for (const [rule, why, isGood] of fieldChecks) {
    if (!isGood(rules, value)) return fail(rule, `${rule} ${why}.`)
  }
  const json = tryCanonical(rules, value)
  if (json === undefined) return fail('not_canonical_json', 'The event has no canonical JSON form.')
  if (utf8Bytes(json) > maxEventBytes)
    return fail('too_large', `The event is larger than ${maxEventBytes} bytes.`)
  // The cast is sound: the checks above have established every field of the type.
  return { ok: true, pdu: value as unknown as Pdu, json }
}

/** What makes a text unacceptable in every room version, and what besides where canonical JSON is demanded. */
const fatalFlaws: readonly JsonFlaw[] = ['infinite-numbers', 'lone-surrogates']
const strictFlaws: readonly JsonFlaw[] = [...fatalFlaws, 'duplicate-keys', 'numbers']

/**
 * As `checkFormat`, for an event as it came: also what JSON.parse hides must be as the room version wants it. "Servers MUST strictly
 * enforce the JSON format", version 6 and later; "MUST NOT strictly enforce" it before. What fails is dropped.
 */
export function checkReceivedFormat(rules: RoomVersionRules, { value, flaws }: ReceivedJson): FormatVerdict {
  const flaw = (rules.strictCanonicalJson ? strictFlaws : fatalFlaws).find((one) => flaws.has(one))
  if (flaw !== undefined) return fail('not_canonical_json', `The event has ${flaw.replace('-', ' ')}.`)
  return checkFormat(rules, value)
}

/**
 * An event that this server has stored, from its canonical JSON. In versions 1 to 5 its numbers stay as they were written, so that it can be
 * written and hashed again. Throws SyntaxError or JsonError for what is no JSON.
 */
export function parseStoredPdu(rules: RoomVersionRules, json: string): Pdu {
  const options = { integers: 'any', keepNumbers: true, maxDepth: Number.POSITIVE_INFINITY } as const
  const value: unknown = rules.strictCanonicalJson ? parseJson(json) : parseStrictJson(json, options)
  // The cast is sound: what is stored has passed checkFormat or comes from buildEvent.
  return value as Pdu
}

/** The ids in `prev_events`; in versions 1 and 2 these are pairs of id and hash. */
export function prevEventIds(rules: RoomVersionRules, pdu: Pdu): readonly EventId[] {
  return idsIn(rules, pdu.prev_events)
}

/** The ids in `auth_events`; in versions 1 and 2 these are pairs of id and hash. */
export function authEventIds(rules: RoomVersionRules, pdu: Pdu): readonly EventId[] {
  return idsIn(rules, pdu.auth_events)
}

/** The event that an `m.room.redaction` is to redact, from where the room version puts it, or undefined. */
export function redactsOf(rules: RoomVersionRules, pdu: Pdu): string | undefined {
  if (pdu.type !== 'm.room.redaction') return undefined
  return stringField(rules.redactsInContent ? pdu.content : pdu, 'redacts')
}

/** The depth of an event after these: one more than the greatest, at most 2^53 − 1. */
export function nextDepth(previous: readonly number[]): number {
  return Math.min(Math.max(0, ...previous) + 1, maxInteger)
}

function fail(rule: FormatRule, why: string): FormatVerdict {
  return { ok: false, rule, why }
}

function isShortString(rules: RoomVersionRules, value: JsonValue | undefined): boolean {
  if (typeof value !== 'string') return false
  // A code point takes at most two UTF-16 units and four bytes.
  if (value.length * 3 <= maxFieldBytes) return true
  return (rules.fieldLimitsInBytes ? utf8Bytes(value) : Array.from(value).length) <= maxFieldBytes
}

function hasGoodStateKey(rules: RoomVersionRules, event: JsonObject): boolean {
  return !Object.hasOwn(event, 'state_key') || isShortString(rules, event['state_key'])
}

function hasGoodRoomId(rules: RoomVersionRules, event: JsonObject): boolean {
  // Whether a create event of version 12 may have a room id is a question of authorisation.
  if (rules.roomIdIsCreateHash && !Object.hasOwn(event, 'room_id'))
    return field(event, 'type') === 'm.room.create'
  return isRoomId(stringField(event, 'room_id') ?? '')
}

function hasGoodEventId(rules: RoomVersionRules, event: JsonObject): boolean {
  return rules.eventIdFormat !== 'v1' || isEventIdOfFormat('v1', stringField(event, 'event_id') ?? '')
}

function isDepth(rules: RoomVersionRules, depth: JsonValue | undefined): boolean {
  if (typeof depth !== 'number' || !Number.isInteger(depth) || depth < 0) return false
  return depth <= (rules.strictCanonicalJson ? maxInteger : 2 ** 63)
}

function isRefs(rules: RoomVersionRules, event: JsonObject, key: string, max: number): boolean {
  const list = field(event, key)
  // Where ids are hashes, no event can name itself.
  const own = rules.eventIdFormat === 'v1' ? field(event, 'event_id') : undefined
  return Array.isArray(list) && list.length <= max && list.every((ref) => isRef(rules, ref, own))
}

function isRef(rules: RoomVersionRules, ref: JsonValue, own: JsonValue | undefined): boolean {
  if (rules.eventIdFormat !== 'v1')
    return typeof ref === 'string' && isEventIdOfFormat(rules.eventIdFormat, ref)
  const [id, hashes] = Array.isArray(ref) && ref.length === 2 ? ref : []
  return typeof id === 'string' && id !== own && isEventIdOfFormat('v1', id) && isJsonObject(hashes)
}

function idsIn(rules: RoomVersionRules, refs: JsonArray): readonly EventId[] {
  // The casts are sound: checkFormat and buildEvent let no other shape into a Pdu.
  if (rules.eventIdFormat !== 'v1') return refs as readonly EventId[]
  return refs.map((ref) => (ref as JsonArray)[0] as EventId)
}

function tryCanonical(rules: RoomVersionRules, event: JsonObject): string | undefined {
  try {
    return canonicalJson(event, rules.strictCanonicalJson ? 'strict' : 'lax')
  } catch (error) {
    if (error instanceof JsonError) return undefined
    throw error
  }
}
