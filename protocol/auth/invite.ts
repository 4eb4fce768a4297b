import type { KeyObject } from 'node:crypto'
import { canonicalJson } from '../json/canonical.ts'
import {
  field,
  isJsonObject,
  JsonError,
  objectField,
  stringField,
  type JsonObject,
  type JsonValue,
} from '../json/types.ts'
import { publicKeyFromBase64 } from '../signing/keys.ts'
import { isSignedBy } from '../signing/verify.ts'
import type { AuthEvent, CheckedEvent } from './auth-event.ts'
import { membershipIn, type RoomView } from './room-view.ts'
import { allow, reject, type Verdict } from './verdict.ts'

// A hostile event could otherwise make every server try thousands of keys on thousands of signatures.
const maxVerifications = 100

/** The rules for `membership` `invite`. Room versions v1.19, authorisation rule 5.4 (4.3 or 4.4 in v6 to v11). */
export function checkInvite(room: RoomView, event: CheckedEvent, target: string): Verdict {
  // "If content has a third_party_invite property".
  if (Object.hasOwn(event.content, 'third_party_invite')) return checkThirdPartyInvite(room, event, target)
  // "If the sender's current membership state is not join, reject."
  if (membershipIn(room, event.sender) !== 'join')
    return reject('invite.sender_not_joined', 'You are not in the room.')
  // "If target user's current membership state is join or ban, reject."
  const current = membershipIn(room, target)
  if (current === 'join') return reject('invite.target_joined', 'The user is already in the room.')
  if (current === 'ban') return reject('invite.target_banned', 'The user is banned from the room.')
  // "If the sender's power level is greater than or equal to the invite level, allow."
  if (room.levels.userLevel(event.sender) >= room.levels.invite) return allow
  // "Otherwise, reject."
  return reject('invite.level', 'Your power level is too low to invite.')
}

function checkThirdPartyInvite(room: RoomView, event: CheckedEvent, target: string): Verdict {
  // "If target user is banned, reject."
  if (membershipIn(room, target) === 'ban')
    return reject('invite.target_banned', 'The user is banned from the room.')
  // "If content.third_party_invite does not have a signed property, reject."
  const invite = objectField(event.content, 'third_party_invite')
  const signed = invite && objectField(invite, 'signed')
  if (signed === undefined) return malformed('The third-party invite is not signed.')
  // "If signed does not have mxid and token properties, reject." "If mxid does not match state_key, reject."
  const token = stringField(signed, 'token')
  if (token === undefined || stringField(signed, 'mxid') !== target)
    return malformed('It is not for this user.')
  // "If there is no m.room.third_party_invite event in the current room state with state_key matching token, reject."
  const offer = room.lookup('m.room.third_party_invite', token)
  if (offer === undefined) return malformed('The room has no such third-party invite.')
  // "If sender does not match sender of the m.room.third_party_invite, reject."
  if (event.sender !== offer.sender)
    return malformed('It is not from the user who made the third-party invite.')
  // "If any signature in signed matches any public key in the m.room.third_party_invite event, allow."
  if (isSignedByAny(signed, publicKeysOf(offer))) return allow
  // "Otherwise, reject."
  return malformed('No signature matches a key of the third-party invite.')
}

function malformed(why: string): Verdict {
  return reject('invite.third_party', why)
}

/** "A single public key in the public_key property. A list of public keys in the public_keys property." */
function publicKeysOf(offer: AuthEvent): readonly KeyObject[] {
  const list = field(offer.content, 'public_keys')
  const listed = Array.isArray(list)
    ? list.map((entry) => (isJsonObject(entry) ? field(entry, 'public_key') : undefined))
    : []
  return [field(offer.content, 'public_key'), ...listed].flatMap(keyIn)
}

function keyIn(text: JsonValue | undefined): readonly KeyObject[] {
  const key = typeof text === 'string' ? publicKeyFromBase64(text) : undefined
  return key === undefined ? [] : [key]
}

function isSignedByAny(signed: JsonObject, keys: readonly KeyObject[]): boolean {
  const { signatures: _signatures, unsigned: _unsigned, ...document } = signed
  const text = tryCanonical(document)
  if (text === undefined) return false
  const pairs = ed25519Signatures(signed).flatMap((signature) => keys.map((key) => [signature, key] as const))
  return pairs.slice(0, maxVerifications).some(([signature, key]) => isSignedBy(text, signature, key))
}

function ed25519Signatures(signed: JsonObject): readonly JsonValue[] {
  const byServer = Object.values(objectField(signed, 'signatures') ?? {}).filter(isJsonObject)
  const entries = byServer.flatMap((ofServer) => Object.entries(ofServer))
  return entries.filter(([keyId]) => keyId.startsWith('ed25519:')).map(([, signature]) => signature)
}

function tryCanonical(document: JsonObject): string | undefined {
  try {
    return canonicalJson(document)
  } catch (error) {
    if (error instanceof JsonError) return undefined
    throw error
  }
}
