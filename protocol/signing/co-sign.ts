/**
 * Signing of events that another server has built: invites to users of this server, and joins that a user of this server authorises.
 * Nothing else of another server gets a signature: "Servers MUST apply certain validation to ensure they don't accidentally sign non-invite
 * events from a malicious server."
 */
import type { Pdu } from '../events/pdu.ts'
import { referenceJson } from '../events/hash.ts'
import type { ServerName } from '../ids/server-name.ts'
import { isUserId, serverOf } from '../ids/user-id.ts'
import { stringField } from '../json/types.ts'
import { checkMembershipRequest, type MembershipRequest } from '../receive/membership-request.ts'
import type { RoomVersionRules } from '../versions/rules.ts'
import type { SigningKey } from './keys.ts'
import { signatureOf, type Signature } from './sign.ts'
import type { KeyLookup } from './verify.ts'

declare const coSignable: unique symbol

/** The request in which an event came that is to be signed. */
export interface CoSignRequest extends Omit<MembershipRequest, 'membership'> {
  /** This server. */
  readonly destination: ServerName
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

/**
 * An invite to a user of this server, ready to be signed. `pdu` has passed `verifyPdu`.
 * Whether the user exists and wants invites is the caller's to know. Server-server API v1.19, "Inviting to a room".
 */
export function acceptInvite(
  rules: RoomVersionRules,
  pdu: Pdu,
  request: CoSignRequest,
  keys: KeyLookup,
): CoSignVerdict {
  const verdict = checkMembershipRequest(rules, pdu, { ...request, membership: 'invite' }, keys)
  if (!verdict.ok) return verdict
  // "The `state_key` is not a user ID on the receiving server."
  if (!isUserOf(pdu.state_key, request.destination))
    return { ok: false, why: 'The invited user is not of this server.' }
  return accept(rules, pdu)
}

/**
 * A join that names a user of this server as the one who authorises it, ready to be signed. That the room allows the join is for the
 * room to say before. "The resident server which owns the provided user ID must have a valid signature on the event." Server-server API
 * v1.19, "Restricted rooms".
 */
export function acceptAuthorisedJoin(
  rules: RoomVersionRules,
  pdu: Pdu,
  request: CoSignRequest,
  keys: KeyLookup,
): CoSignVerdict {
  const verdict = checkMembershipRequest(rules, pdu, { ...request, membership: 'join' }, keys)
  if (!verdict.ok) return verdict
  if (!rules.restrictedJoin) return { ok: false, why: 'The room version has no restricted joins.' }
  if (!isUserOf(stringField(pdu.content, 'join_authorised_via_users_server'), request.destination))
    return { ok: false, why: 'The join is not authorised by a user of this server.' }
  return accept(rules, pdu)
}

/** The signature of this server on an event of another, to be added to those that it has. */
export function coSign(event: CoSignable, server: ServerName, key: SigningKey): Signature {
  return signatureOf(event.reference, server, key)
}

function isUserOf(user: string | undefined, server: ServerName): boolean {
  return user !== undefined && isUserId(user) && serverOf(user) === server
}

function accept(rules: RoomVersionRules, pdu: Pdu): CoSignVerdict {
  // The cast puts the mark on that only this file can put on.
  return { ok: true, event: { pdu, reference: referenceJson(rules, pdu) } as CoSignable }
}
