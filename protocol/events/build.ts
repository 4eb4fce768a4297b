// Building of this server's own events. The envelope is written by hand, its keys in canonical order, because every
// send passes here: the content is serialised once, and the event is never parsed or sorted as a whole.

import { isEventIdOfFormat, type EventId } from '../ids/event-id.ts'
import type { RoomId } from '../ids/room-id.ts'
import { serverOf, type UserId } from '../ids/user-id.ts'
import { canonicalJson, canonicalString } from '../json/canonical.ts'
import {
  maxAuthEvents,
  maxEventBytes,
  maxFieldBytes,
  maxInteger,
  maxPrevEvents,
  utf8Bytes,
} from '../json/limits.ts'
import type { JsonArray, JsonObject } from '../json/types.ts'
import { MatrixError } from '../errors.ts'
import type { RoomVersionRules } from '../versions/rules.ts'
import { eventIdOf, eventIdOfReference, referenceJson, sha256Base64 } from './hash.ts'
import type { Pdu } from './pdu.ts'
import { redactContent } from './redact.ts'

declare const built: unique symbol

/** What an event is made of. Times in milliseconds since the epoch. */
export interface EventFields {
  readonly type: string
  /** Present for a state event. */
  readonly stateKey?: string | undefined
  readonly sender: UserId
  /** Absent for the create event of version 12. */
  readonly roomId?: RoomId | undefined
  readonly content: JsonObject
  readonly prevEvents: readonly EventId[]
  readonly authEvents: readonly EventId[]
  readonly depth: number
  readonly originServerTs: number
  /** The target of a redaction before version 11; from 11 on it stands in the content. */
  readonly redacts?: EventId | undefined
  /** Demanded by versions 1 and 2, of no meaning in others. */
  readonly explicitId?: ExplicitId | undefined
}

/** What an event needs in versions 1 and 2, whose ids are chosen and not computed. */
export interface ExplicitId {
  /** The id, made by `makeEventId`. */
  readonly eventId: EventId
  /** The reference hash (`referenceHash`) of each previous and auth event. */
  readonly referenceHashes: ReadonlyMap<EventId, string>
}

/**
 * An event that this server has built and may therefore sign. Only `buildEvent` and `reviveBuiltEvent` make one, so that
 * nothing that another server wrote gets a signature.
 */
export interface BuiltEvent {
  readonly pdu: Pdu
  /** The canonical JSON of the event without signatures. */
  readonly json: string
  readonly eventId: EventId
  /** The text that the event id is the hash of, and that a signature is made over. */
  readonly reference: string
  /** The size of `json` in bytes. */
  readonly size: number
  readonly [built]: true
}

// `"signatures":{"SERVER":{"ed25519:VERSION":"86 characters"}},` with a version of at most 32 characters.
const signatureBytes = 27 + 32 + 86 + 7

/**
 * Builds an event: content hash, canonical JSON, event id. Leaves room for one signature within 65,536 bytes.
 * Throws MatrixError M_TOO_LARGE for an event or a field above its limit, M_BAD_JSON for a type or state key that contains U+0000,
 * M_UNSUPPORTED_ROOM_VERSION for versions 1 and 2 without `explicitId`, and JsonError if the content is not canonical JSON.
 * Server-server API v1.19, "Adding hashes and signatures to outgoing events".
 */
export function buildEvent(rules: RoomVersionRules, fields: EventFields): BuiltEvent {
  checkFields(rules, fields)
  const form = formOf(rules, fields)
  const contentJson = canonicalJson(fields.content)
  const head = `{"auth_events":${canonicalJson(form.authEvents)},"content":`
  const depth = `,"depth":${fields.depth},${form.idJson}`
  const tail = tailJson(fields, form, false)
  const sha256 = sha256Base64(head + contentJson + depth + tail)
  const hashes = `"hashes":{"sha256":"${sha256}"},`
  const json = head + contentJson + depth + hashes + tail
  const size = utf8Bytes(json)
  if (size + signatureBytes + serverOf(fields.sender).length > maxEventBytes) {
    throw new MatrixError('M_TOO_LARGE', `The event is larger than ${maxEventBytes} bytes.`)
  }
  const reference =
    head + redactedContentJson(rules, fields, contentJson) + depth + hashes + tailJson(fields, form, true)
  return makeBuilt({
    pdu: pduOf(fields, form, sha256),
    json,
    eventId: form.eventId ?? eventIdOfReference(rules, reference),
    reference,
    size,
  })
}

/**
 * The built event whose unsigned JSON this server stored, so that it can be signed later than it was built.
 * To be given nothing but events of this server's own users from its own tables.
 */
export function reviveBuiltEvent(rules: RoomVersionRules, pdu: Pdu): BuiltEvent {
  const { unsigned: _unsigned, signatures: _signatures, ...bare } = pdu
  // The cast is sound: both of the removed fields are optional in a Pdu.
  const own = bare as Pdu
  const json = canonicalJson(own)
  const reference = referenceJson(rules, own)
  return makeBuilt({
    pdu: own,
    json,
    eventId: rules.eventIdFormat === 'v1' ? eventIdOf(rules, own) : eventIdOfReference(rules, reference),
    reference,
    size: utf8Bytes(json),
  })
}

function makeBuilt(event: Omit<BuiltEvent, typeof built>): BuiltEvent {
  // The cast puts the mark on that only this file can put on.
  return event as BuiltEvent
}

/** What the room version's event format decides: how others are referred to, and where the id comes from. */
interface EventForm {
  readonly authEvents: JsonArray
  readonly prevEvents: JsonArray
  /** The id of an event that has one of its own, and the member that states it. */
  readonly eventId: EventId | undefined
  readonly idJson: string
}

function formOf(rules: RoomVersionRules, fields: EventFields): EventForm {
  const { authEvents, prevEvents, explicitId } = fields
  if (rules.eventIdFormat !== 'v1') return { authEvents, prevEvents, eventId: undefined, idJson: '' }
  if (explicitId === undefined) {
    throw new MatrixError(
      'M_UNSUPPORTED_ROOM_VERSION',
      `Events of room version ${rules.id} cannot be created here.`,
    )
  }
  const { eventId, referenceHashes } = explicitId
  assertOurs(isEventIdOfFormat('v1', eventId), 'build.event_id')
  const withHash = (id: EventId): JsonArray => {
    const sha256 = referenceHashes.get(id)
    assertOurs(sha256 !== undefined, 'build.reference_hash')
    return [id, { sha256: sha256 ?? '' }]
  }
  return {
    authEvents: authEvents.map(withHash),
    prevEvents: prevEvents.map(withHash),
    eventId,
    idJson: `"event_id":${canonicalString(eventId)},`,
  }
}

function checkFields(rules: RoomVersionRules, fields: EventFields): void {
  checkText('type', fields.type)
  if (fields.stateKey !== undefined) checkText('state_key', fields.stateKey)
  const isCreate = fields.type === 'm.room.create'
  assertOurs((fields.roomId === undefined) === (rules.roomIdIsCreateHash && isCreate), 'build.room_id')
  assertOurs(
    fields.prevEvents.length <= maxPrevEvents && fields.authEvents.length <= maxAuthEvents,
    'build.references',
  )
  assertOurs(isInteger(fields.depth) && isInteger(fields.originServerTs), 'build.integers')
}

function checkText(name: string, text: string): void {
  // The specification allows it, but nobody means it, and implementations that keep these fields as C strings cut them there.
  if (text.includes('\0')) throw new MatrixError('M_BAD_JSON', `${name} must not contain U+0000.`)
  if (text.length * 3 > maxFieldBytes && utf8Bytes(text) > maxFieldBytes) {
    throw new MatrixError('M_TOO_LARGE', `${name} is longer than ${maxFieldBytes} bytes.`)
  }
}

/** What is wrong here is wrong in this server, not in a request. */
function assertOurs(condition: boolean, tag: string): void {
  if (!condition) throw new Error(`assertion failed: ${tag}`)
}

function isInteger(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= maxInteger
}

/** The keys after `hashes`; redaction removes `redacts` and keeps the others. */
function tailJson(fields: EventFields, form: EventForm, redacted: boolean): string {
  let text = `"origin_server_ts":${fields.originServerTs},"prev_events":${canonicalJson(form.prevEvents)}`
  if (fields.redacts !== undefined && !redacted) text += `,"redacts":${canonicalString(fields.redacts)}`
  if (fields.roomId !== undefined) text += `,"room_id":${canonicalString(fields.roomId)}`
  text += `,"sender":${canonicalString(fields.sender)}`
  if (fields.stateKey !== undefined) text += `,"state_key":${canonicalString(fields.stateKey)}`
  return `${text},"type":${canonicalString(fields.type)}}`
}

function redactedContentJson(rules: RoomVersionRules, fields: EventFields, contentJson: string): string {
  const left = redactContent(rules, fields.type, fields.content)
  return left === fields.content ? contentJson : canonicalJson(left)
}

function pduOf(fields: EventFields, form: EventForm, sha256: string): Pdu {
  return {
    auth_events: form.authEvents,
    content: fields.content,
    depth: fields.depth,
    ...(form.eventId === undefined ? undefined : { event_id: form.eventId }),
    hashes: { sha256 },
    origin_server_ts: fields.originServerTs,
    prev_events: form.prevEvents,
    ...(fields.redacts === undefined ? undefined : { redacts: fields.redacts }),
    ...(fields.roomId === undefined ? undefined : { room_id: fields.roomId }),
    sender: fields.sender,
    ...(fields.stateKey === undefined ? undefined : { state_key: fields.stateKey }),
    type: fields.type,
  }
}
