import { hash } from 'node:crypto'
import { parseEventId, type EventId } from '../ids/event-id.ts'
import { parseRoomId, type RoomId } from '../ids/room-id.ts'
import { canonicalJson } from '../json/canonical.ts'
import { stringField, type JsonObject } from '../json/types.ts'
import { decodeBase64, encodeBase64 } from '../signing/base64.ts'
import type { RoomVersionRules } from '../versions/rules.ts'
import type { Pdu } from './pdu.ts'
import { redact } from './redact.ts'

/** The SHA-256 of a text's UTF-8 form, in unpadded base64: 43 characters. */
export function sha256Base64(text: string): string {
  return hash('sha256', text, 'base64').slice(0, 43)
}

/**
 * The content hash of an event, in unpadded base64: over everything but `unsigned`, `signatures` and `hashes`.
 * Server-server API v1.19, "Calculating the content hash for an event". Throws JsonError if the event is not canonical.
 */
export function contentHash(rules: RoomVersionRules, pdu: Pdu): string {
  const { unsigned: _unsigned, signatures: _signatures, hashes: _hashes, ...hashed } = pdu
  return sha256Base64(canonicalEvent(rules, hashed as JsonObject))
}

/**
 * True if the event's `hashes.sha256` is its content hash; if not, only its redacted form may be used. "The content hash in the `hashes`
 * property of the received event is base64-decoded, and the two are compared for equality."
 */
export function hasValidContentHash(rules: RoomVersionRules, pdu: Pdu): boolean {
  const stated = decodeBase64(stringField(pdu.hashes, 'sha256') ?? '')
  return stated !== undefined && encodeBase64(stated) === contentHash(rules, pdu)
}

/**
 * The text that the event id is the hash of and that signatures are made over: the redacted event in canonical JSON
 * without `signatures` and `unsigned`. Server-server API v1.19, "Calculating the reference hash for an event".
 */
export function referenceJson(rules: RoomVersionRules, pdu: Pdu): string {
  const { unsigned: _unsigned, signatures: _signatures, ...essential } = redact(rules, pdu)
  return canonicalEvent(rules, essential as JsonObject)
}

/**
 * The reference hash of an event in unpadded base64, by which events of versions 1 and 2 refer to others.
 * Server-server API v1.19, "Calculating the reference hash for an event".
 */
export function referenceHash(rules: RoomVersionRules, pdu: Pdu): string {
  return sha256Base64(referenceJson(rules, pdu))
}

/** The id of an event: its reference hash, or its `event_id` in versions 1 and 2. Room versions v1.19, "Event IDs". */
export function eventIdOf(rules: RoomVersionRules, pdu: Pdu): EventId {
  if (rules.eventIdFormat === 'v1') return parseEventId(stringField(pdu, 'event_id') ?? '')
  return eventIdOfReference(rules, referenceJson(rules, pdu))
}

/** The id of the event whose reference text this is, in the format of version 3 or 4. */
export function eventIdOfReference(rules: RoomVersionRules, reference: string): EventId {
  if (rules.eventIdFormat === 'v3') return parseEventId(`$${sha256Base64(reference)}`)
  return parseEventId(`$${hash('sha256', reference, 'base64url')}`)
}

/** The room id that follows from a create event's id. Room version 12, "Room IDs". */
export function roomIdOfCreate(createEvent: EventId): RoomId {
  return parseRoomId(`!${createEvent.slice(1)}`)
}

/** The id of the create event of a room of version 12, which its room id implies. */
export function createEventOfRoom(room: RoomId): EventId {
  return parseEventId(`$${room.slice(1)}`)
}

function canonicalEvent(rules: RoomVersionRules, event: JsonObject): string {
  return canonicalJson(event, rules.strictCanonicalJson ? 'strict' : 'lax')
}
