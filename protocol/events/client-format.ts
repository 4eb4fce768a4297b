// The client-server form of an event, as text. An event is serialised once and shared by everybody who gets it; what
// differs from reader to reader (`unsigned`) and from endpoint to endpoint (`room_id`) is added as text.

import type { EventId } from '../ids/event-id.ts'
import type { RoomId } from '../ids/room-id.ts'
import { canonicalJson, canonicalString } from '../json/canonical.ts'
import { field, type JsonObject } from '../json/types.ts'
import type { RoomVersionRules } from '../versions/rules.ts'
import { redactsOf, type Pdu } from './pdu.ts'

/** The parts of an event's client JSON: `head` opens the object and does not close it. */
export interface ClientEventText {
  /** `{"content":…,"event_id":…,"origin_server_ts":…,"sender":…,"type":…`, with `state_key` and `redacts` where they belong. */
  readonly head: string
  /** `,"room_id":"…"`, for every endpoint but `/sync`. */
  readonly roomId: string
}

/**
 * The client JSON of an event. A redaction names its target both at the top level and in the content, whatever the room
 * version. `roomId` is given because the create event of version 12 does not contain it.
 * Client-server API v1.19, "Room event format"; room version 11, "Moving the redacts property".
 */
export function clientEventJson(
  rules: RoomVersionRules,
  pdu: Pdu,
  ids: { eventId: EventId; roomId: RoomId },
): ClientEventText {
  const redacts = redactsOf(rules, pdu)
  let head = `{"content":${canonicalJson(clientContent(pdu.content, redacts), 'lax')}`
  head += `,"event_id":${canonicalString(ids.eventId)},"origin_server_ts":${pdu.origin_server_ts}`
  if (redacts !== undefined) head += `,"redacts":${canonicalString(redacts)}`
  head += `,"sender":${canonicalString(pdu.sender)}`
  if (pdu.state_key !== undefined) head += `,"state_key":${canonicalString(pdu.state_key)}`
  head += `,"type":${canonicalString(pdu.type)}`
  return { head, roomId: `,"room_id":${canonicalString(ids.roomId)}` }
}

/** The whole client JSON: with the room id if wanted, and with `unsigned` if its JSON text is given. */
export function joinClientEvent(
  text: ClientEventText,
  options: { withRoomId: boolean; unsigned?: string },
): string {
  const room = options.withRoomId ? text.roomId : ''
  const unsigned = options.unsigned === undefined ? '' : `,"unsigned":${options.unsigned}`
  return `${text.head}${room}${unsigned}}`
}

function clientContent(content: JsonObject, redacts: string | undefined): JsonObject {
  return redacts === undefined || field(content, 'redacts') === redacts ? content : { ...content, redacts }
}
