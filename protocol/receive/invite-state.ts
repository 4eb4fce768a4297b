/**
 * The state that comes with an invite or knock over federation, to tell those who are not in the room what it is. Server-server API v1.19,
 * "Inviting to a room"; client-server API v1.19, "Stripped state".
 */
import { roomIdOfCreate, eventIdOf } from '../events/hash.ts'
import { checkReceivedFormat, type Pdu } from '../events/pdu.ts'
import { stripEvent, type StrippedEvent } from '../events/strip.ts'
import type { RoomId } from '../ids/room-id.ts'
import { isUserId } from '../ids/user-id.ts'
import type { ReceivedJson } from '../json/received.ts'
import { isJsonObject, objectField, stringField, type JsonValue } from '../json/types.ts'
import { verifyEvent, type KeyLookup } from '../signing/verify.ts'
import type { RoomVersionRules } from '../versions/rules.ts'

/** The most entries that are kept; what describes a room needs about eight. */
const maxStrippedEvents = 100

/** Whether the state that came is what it has to be; otherwise why not, for people. */
export type InviteStateVerdict =
  | { readonly ok: true; readonly events: readonly Pdu[] }
  | { readonly ok: false; readonly why: string }

/**
 * The entries that clients may see. "Servers cannot pass through what they receive over federation to clients as stripped state. Servers
 * are expected to prune the events into the stripped state schema". What is not of that form is left out, and of two entries for the
 * same key the first one stays.
 */
export function strippedStateOf(entries: readonly JsonValue[]): readonly StrippedEvent[] {
  const stripped = new Map<string, StrippedEvent>()
  for (const entry of entries) {
    const event = strippedEventOf(entry)
    if (event === undefined || stripped.size >= maxStrippedEvents) continue
    stripped.getOrInsert(JSON.stringify([event.type, event.state_key]), event)
  }
  return [...stripped.values()]
}

/**
 * Whether the entries are events of the room, whole and signed, with the create event among them: what servers "MAY apply to room versions
 * 1 through 11 and SHOULD apply to all other room versions". The keys of their senders have been fetched.
 */
export function checkInviteState(
  rules: RoomVersionRules,
  entries: readonly ReceivedJson[],
  roomId: RoomId,
  keys: KeyLookup,
): InviteStateVerdict {
  const events: Pdu[] = []
  for (const entry of entries) {
    // "One or more entries in `invite_room_state` are not formatted according to the room's version."
    const form = checkReceivedFormat(rules, entry)
    if (!form.ok) return { ok: false, why: form.why }
    const { pdu } = form
    // "One or more events does not reside in the same room as the invite. Note: Some room versions may require calculating the room ID".
    if ((pdu.room_id ?? roomIdOfCreate(eventIdOf(rules, pdu))) !== roomId)
      return { ok: false, why: `The ${pdu.type} event is of another room.` }
    // "One or more events fails a signature check."
    if (!verifyEvent(rules, pdu, keys).ok)
      return { ok: false, why: `The ${pdu.type} event is not signed by its server.` }
    events.push(pdu)
  }
  // "The `m.room.create` event is missing from `invite_room_state`."
  const hasCreate = events.some((pdu) => pdu.type === 'm.room.create' && pdu.state_key === '')
  return hasCreate ? { ok: true, events } : { ok: false, why: 'The create event of the room is missing.' }
}

function strippedEventOf(entry: JsonValue): StrippedEvent | undefined {
  if (!isJsonObject(entry)) return undefined
  const type = stringField(entry, 'type')
  const stateKey = stringField(entry, 'state_key')
  const sender = stringField(entry, 'sender')
  const content = objectField(entry, 'content')
  if (type === undefined || stateKey === undefined || sender === undefined || content === undefined)
    return undefined
  return isUserId(sender) ? stripEvent({ type, state_key: stateKey, sender, content }) : undefined
}
