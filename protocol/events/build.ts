// Building of this server's own events. The envelope is written by hand, its keys in canonical order, because every
// send passes here: the content is serialised once, and the event is never parsed or sorted as a whole.

import type { EventId } from '../ids/event-id.ts'
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
import type { JsonObject } from '../json/types.ts'
import { MatrixError } from '../errors.ts'
import type { RoomVersionRules } from '../versions/rules.ts'
import { eventIdOfReference, referenceJson, sha256Base64 } from './hash.ts'
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
 * Throws MatrixError M_TOO_LARGE for an event or a field above its limit, M_UNSUPPORTED_ROOM_VERSION for versions 1 and 2,
 * whose events refer to others by hash, and JsonError if the content is not canonical JSON.
 * Server-server API v1.19, "Adding hashes and signatures to outgoing events".
 */
export function buildEvent(rules: RoomVersionRules, fields: EventFields): BuiltEvent {
  refuseOldVersions(rules)
  checkFields(rules, fields)
  const contentJson = canonicalJson(fields.content)
  const head = `{"auth_events":${idList(fields.authEvents)},"content":`
  const depth = `,"depth":${fields.depth},`
  const tail = tailJson(fields)
  const sha256 = sha256Base64(head + contentJson + depth + tail)
  const hashes = `"hashes":{"sha256":"${sha256}"},`
  const json = head + contentJson + depth + hashes + tail
  const size = utf8Bytes(json)
  if (size + signatureBytes + serverOf(fields.sender).length > maxEventBytes) {
    throw new MatrixError('M_TOO_LARGE', `The event is larger than ${maxEventBytes} bytes.`)
  }
  const reference =
    head + redactedContentJson(rules, fields, contentJson) + depth + hashes + tailJson(fields, true)
  return makeBuilt({
    pdu: pduOf(fields, sha256),
    json,
    eventId: eventIdOfReference(rules, reference),
    reference,
    size,
  })
}

/**
 * The built event whose unsigned JSON this server stored, so that it can be signed later than it was built.
 * To be given nothing but events of this server's own users from its own tables.
 */
export function reviveBuiltEvent(rules: RoomVersionRules, pdu: Pdu): BuiltEvent {
  refuseOldVersions(rules)
  const { unsigned: _unsigned, signatures: _signatures, ...bare } = pdu
  // The cast is sound: both of the removed fields are optional in a Pdu.
  const own = bare as Pdu
  const json = canonicalJson(own)
  const reference = referenceJson(rules, own)
  return makeBuilt({
    pdu: own,
    json,
    eventId: eventIdOfReference(rules, reference),
    reference,
    size: utf8Bytes(json),
  })
}

function makeBuilt(event: Omit<BuiltEvent, typeof built>): BuiltEvent {
  // The cast puts the mark on that only this file can put on.
  return event as BuiltEvent
}

function refuseOldVersions(rules: RoomVersionRules): void {
  if (rules.eventIdFormat !== 'v1') return
  throw new MatrixError(
    'M_UNSUPPORTED_ROOM_VERSION',
    `Events of room version ${rules.id} cannot be created here.`,
  )
}

function checkFields(rules: RoomVersionRules, fields: EventFields): void {
  checkSize('type', fields.type)
  if (fields.stateKey !== undefined) checkSize('state_key', fields.stateKey)
  const isCreate = fields.type === 'm.room.create'
  assertOurs((fields.roomId === undefined) === (rules.roomIdIsCreateHash && isCreate), 'build.room_id')
  assertOurs(
    fields.prevEvents.length <= maxPrevEvents && fields.authEvents.length <= maxAuthEvents,
    'build.references',
  )
  assertOurs(isInteger(fields.depth) && isInteger(fields.originServerTs), 'build.integers')
}

function checkSize(name: string, text: string): void {
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

function idList(ids: readonly EventId[]): string {
  // Event ids of version 3 and later consist of base64 characters, which need no escaping.
  return ids.length === 0 ? '[]' : `["${ids.join('","')}"]`
}

/** The keys after `hashes`; redaction removes `redacts` and keeps the others. */
function tailJson(fields: EventFields, redacted = false): string {
  let text = `"origin_server_ts":${fields.originServerTs},"prev_events":${idList(fields.prevEvents)}`
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

function pduOf(fields: EventFields, sha256: string): Pdu {
  return {
    auth_events: fields.authEvents,
    content: fields.content,
    depth: fields.depth,
    hashes: { sha256 },
    origin_server_ts: fields.originServerTs,
    prev_events: fields.prevEvents,
    ...(fields.redacts === undefined ? undefined : { redacts: fields.redacts }),
    ...(fields.roomId === undefined ? undefined : { room_id: fields.roomId }),
    sender: fields.sender,
    ...(fields.stateKey === undefined ? undefined : { state_key: fields.stateKey }),
    type: fields.type,
  }
}
