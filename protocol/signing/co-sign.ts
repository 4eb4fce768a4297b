/**
 * Signing of events that another server has built: invites to users of this server, and joins that a user of this server authorises.
 * Nothing else of another server gets a signature, and these only if they are exactly what the request says that they are: "Servers MUST
 * apply certain validation to ensure they don't accidentally sign non-invite events from a malicious server."
 */
import type { Pdu } from '../events/pdu.ts'
import { eventIdOf, referenceJson } from '../events/hash.ts'
import type { EventId } from '../ids/event-id.ts'
import type { RoomId } from '../ids/room-id.ts'
import type { ServerName } from '../ids/server-name.ts'
import { isUserId, serverOf } from '../ids/user-id.ts'
import { stringField } from '../json/types.ts'
import type { RoomVersionRules } from '../versions/rules.ts'
import type { SigningKey } from './keys.ts'
import { signatureOf, type Signature } from './sign.ts'
import { verifyEvent, type KeyLookup } from './verify.ts'

declare const coSignable: unique symbol

/** The request in which an event came that is to be signed. */
export interface CoSignRequest {
  /** The server that sent it, by the signature of the request. */
  readonly origin: ServerName
  /** This server. */
  readonly destination: ServerName
  /** What the path of the request names. */
  readonly roomId: RoomId
  readonly eventId: EventId
}

/** An event of another server that may be signed. Only the functions of this file make one. */
export interface CoSignable {
  readonly pdu: Pdu
  readonly reference: string
  readonly [coSignable]: true
}

/** The event, or what is wrong with it, for people. */
export type CoSignVerdict =
  | { readonly ok: true; readonly event: CoSignable }
  | { readonly ok: false; readonly why: string }

type Condition = readonly [holds: boolean, why: string]

/**
 * An invite to a user of this server, ready to be signed. The form of the event has been checked, and the keys of its sender fetched.
 * Whether the user exists and wants invites is the caller's to know. Server-server API v1.19, "Inviting to a room".
 */
export function acceptInvite(
  rules: RoomVersionRules,
  pdu: Pdu,
  request: CoSignRequest,
  keys: KeyLookup,
): CoSignVerdict {
  const { state_key: target = '' } = pdu
  return accept(rules, pdu, [
    ...commonConditions(rules, pdu, request, keys),
    // "The `membership` field inside the event content is not `invite`."
    [stringField(pdu.content, 'membership') === 'invite', 'The event is no invite.'],
    // "The `state_key` is not a user ID on the receiving server."
    [isUserId(target) && serverOf(target) === request.destination, 'The invited user is not of this server.'],
  ])
}

/**
 * A join that names a user of this server as the one who authorises it, ready to be signed. That the room allows the join is for the
 * room to say before. Server-server API v1.19, "Restricted rooms".
 */
export function acceptAuthorisedJoin(
  rules: RoomVersionRules,
  pdu: Pdu,
  request: CoSignRequest,
  keys: KeyLookup,
): CoSignVerdict {
  const authoriser = stringField(pdu.content, 'join_authorised_via_users_server') ?? ''
  return accept(rules, pdu, [
    ...commonConditions(rules, pdu, request, keys),
    [rules.restrictedJoin, 'The room version has no restricted joins.'],
    [stringField(pdu.content, 'membership') === 'join', 'The event is no join.'],
    [pdu.sender === pdu.state_key, 'Nobody can join for another.'],
    [
      isUserId(authoriser) && serverOf(authoriser) === request.destination,
      'The join is not authorised by a user of this server.',
    ],
  ])
}

/** The signature of this server on an event of another, to be added to those that it has. */
export function coSign(event: CoSignable, server: ServerName, key: SigningKey): Signature {
  return signatureOf(event.reference, server, key)
}

function commonConditions(
  rules: RoomVersionRules,
  pdu: Pdu,
  { origin, roomId, eventId }: CoSignRequest,
  keys: KeyLookup,
): readonly Condition[] {
  return [
    // "The event type is not `m.room.member`."
    [pdu.type === 'm.room.member', 'The event is no membership.'],
    // "The event sender is not a user ID on the origin server."
    [serverOf(pdu.sender) === origin, 'The sender is not of the server that sent the event.'],
    [pdu.room_id === roomId, 'The event is of another room.'],
    [eventIdOf(rules, pdu) === eventId, 'The event has another id.'],
    // "The invite event fails a signature check."
    [verifyEvent(rules, pdu, keys).ok, 'The event is not signed by its server.'],
  ]
}

function accept(rules: RoomVersionRules, pdu: Pdu, conditions: readonly Condition[]): CoSignVerdict {
  const broken = conditions.find(([holds]) => !holds)
  if (broken !== undefined) return { ok: false, why: broken[1] }
  // The cast puts the mark on that only this file can put on.
  return { ok: true, event: { pdu, reference: referenceJson(rules, pdu) } as CoSignable }
}
