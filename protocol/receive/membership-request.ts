/**
 * Membership events that come in a request of their own: an invite, and the join, knock or leave of somebody whose server is not in the
 * room. They have to be exactly what the request says, so that nobody gets another event accepted or signed by that way. Server-server API
 * v1.19, "Joining Rooms", "Knocking upon a room", "Inviting to a room", "Leaving Rooms".
 */
import { eventIdOf } from '../events/hash.ts'
import type { Pdu } from '../events/pdu.ts'
import type { EventId } from '../ids/event-id.ts'
import type { RoomId } from '../ids/room-id.ts'
import type { ServerName } from '../ids/server-name.ts'
import { serverOf } from '../ids/user-id.ts'
import { stringField } from '../json/types.ts'
import { verifyEvent, type KeyLookup } from '../signing/verify.ts'
import type { RoomVersionRules } from '../versions/rules.ts'

/** The request in which an event came. */
export interface MembershipRequest {
  readonly membership: 'invite' | 'join' | 'knock' | 'leave'
  /** The server that sent it, by the signature of the request. */
  readonly origin: ServerName
  /** What the path of the request names. */
  readonly roomId: RoomId
  readonly eventId: EventId
}

/** Whether the event is what the request says; otherwise what is wrong with it, for people (M_INVALID_PARAM). */
export type MembershipVerdict = { readonly ok: true } | { readonly ok: false; readonly why: string }

/**
 * Whether an event is what the request says. `pdu` has passed `verifyPdu`; its signature is checked here too, because another signature
 * may follow from it. What the room says to it is another question, and comes after this one.
 */
export function checkMembershipRequest(
  rules: RoomVersionRules,
  pdu: Pdu,
  request: MembershipRequest,
  keys: KeyLookup,
): MembershipVerdict {
  const { membership, origin, roomId, eventId } = request
  // "The event type is not `m.room.member`."
  if (pdu.type !== 'm.room.member') return refuse('The event is no membership.')
  // "The `membership` field inside the event content is not `join`", or what the request is for.
  if (stringField(pdu.content, 'membership') !== membership)
    return refuse(`The membership is not "${membership}".`)
  // "The event sender is not a user ID on the origin server."
  if (serverOf(pdu.sender) !== origin) return refuse('The sender is not of the server that sent the event.')
  // "The `state_key` is not equal to the `sender`", for all but invites.
  if (membership !== 'invite' && pdu.state_key !== pdu.sender)
    return refuse('The membership is of somebody else.')
  if (pdu.room_id !== roomId) return refuse('The event is of another room.')
  if (eventIdOf(rules, pdu) !== eventId) return refuse('The event has another id.')
  // "The event fails a signature check." The signature of who authorises a join is added by his own server.
  if (!verifyEvent(rules, pdu, keys).ok) return refuse('The event is not signed by its server.')
  return { ok: true }
}

function refuse(why: string): MembershipVerdict {
  return { ok: false, why }
}
