// Checking of signatures, with the keys given by a synchronous lookup: fetch the keys of `requiredSigners` first.

import { verify, type KeyObject } from 'node:crypto'
import { domainOfEventId } from '../ids/event-id.ts'
import { isServerName, type ServerName } from '../ids/server-name.ts'
import { isSigningKeyId, type SigningKeyId } from '../ids/key-id.ts'
import { isUserId, serverOf } from '../ids/user-id.ts'
import { canonicalJson } from '../json/canonical.ts'
import { field, objectField, stringField, type JsonObject } from '../json/types.ts'
import type { RoomVersionRules } from '../versions/rules.ts'
import { eventIdOf, referenceJson } from '../events/hash.ts'
import type { Pdu } from '../events/pdu.ts'
import { decodeBase64 } from './base64.ts'
import type { VerifyKey } from './keys.ts'

/** The key of a server, or undefined if it is not known. */
export type KeyLookup = (server: ServerName, keyId: SigningKeyId) => VerifyKey | undefined

/** Whether the signatures are there and right; otherwise by which server they are not, and in which way. */
export type SignatureVerdict =
  | { readonly ok: true }
  | {
      readonly ok: false
      readonly server: ServerName
      readonly why: 'bad_signature' | 'no_known_key' | 'no_signature'
    }

const signatureBytes = 64
const authoriserKey = 'join_authorised_via_users_server'
const good: SignatureVerdict = { ok: true }

/**
 * Checks that a server has signed a JSON object. Every signature by a known key must be right, and there must be one.
 * Appendices v1.19, "Checking for a Signature". Throws JsonError if the object has no canonical form.
 */
export function verifyJson(
  object: JsonObject,
  server: ServerName,
  keyOf: (keyId: SigningKeyId) => KeyObject | undefined,
): SignatureVerdict {
  const { signatures: _signatures, unsigned: _unsigned, ...signed } = object
  return verifyText(canonicalJson(signed), objectField(object, 'signatures'), server, keyOf)
}

/**
 * Checks the signatures that an event must bear to be accepted at all; one that fails is dropped.
 * Server-server API v1.19, "Validating hashes and signatures on received events"; checks on receipt, check 2.
 */
export function verifyEvent(rules: RoomVersionRules, pdu: Pdu, keys: KeyLookup): SignatureVerdict {
  return verifyBy(rules, pdu, signersOfForm(rules, pdu), keys)
}

/**
 * Checks the signature of the server whose user authorised a restricted join; an event that fails is rejected.
 * "If the event is not validly signed by the homeserver of the user ID denoted by the key, reject." Since v8.
 */
export function verifyAuthorisedJoin(rules: RoomVersionRules, pdu: Pdu, keys: KeyLookup): SignatureVerdict {
  // What denotes no user denotes no server that could have signed.
  if (namesNobody(rules, pdu)) return { ok: false, server: serverOf(pdu.sender), why: 'no_signature' }
  return verifyBy(rules, pdu, authorisingServers(rules, pdu), keys)
}

/** The servers whose keys are needed for verifyEvent and verifyAuthorisedJoin. */
export function requiredSigners(rules: RoomVersionRules, pdu: Pdu): readonly ServerName[] {
  return [...new Set([...signersOfForm(rules, pdu), ...authorisingServers(rules, pdu)])]
}

function signersOfForm(rules: RoomVersionRules, pdu: Pdu): readonly ServerName[] {
  const signers: ServerName[] = []
  // "the server which actually sends the event may be a different server" if it is a third-party invite.
  if (!isThirdPartyInvite(pdu)) signers.push(serverOf(pdu.sender))
  if (rules.eventIdFormat !== 'v1') return signers
  // "Room versions 1 and 2 also require that a signature is present from the domain in the event_id".
  const domain = domainOfEventId(eventIdOf(rules, pdu))
  if (domain !== undefined && isServerName(domain) && !signers.includes(domain)) signers.push(domain)
  return signers
}

function authorisingServers(rules: RoomVersionRules, pdu: Pdu): readonly ServerName[] {
  if (!rules.restrictedJoin || pdu.type !== 'm.room.member') return []
  const user = stringField(pdu.content, authoriserKey)
  return user !== undefined && isUserId(user) ? [serverOf(user)] : []
}

/** "If content has a join_authorised_via_users_server key", whatever the membership is. */
function namesNobody(rules: RoomVersionRules, pdu: Pdu): boolean {
  if (!rules.restrictedJoin || pdu.type !== 'm.room.member') return false
  return Object.hasOwn(pdu.content, authoriserKey) && authorisingServers(rules, pdu).length === 0
}

function isThirdPartyInvite(pdu: Pdu): boolean {
  if (pdu.type !== 'm.room.member' || field(pdu.content, 'membership') !== 'invite') return false
  return objectField(pdu.content, 'third_party_invite') !== undefined
}

function verifyBy(
  rules: RoomVersionRules,
  pdu: Pdu,
  servers: readonly ServerName[],
  keys: KeyLookup,
): SignatureVerdict {
  if (servers.length === 0) return good
  const reference = referenceJson(rules, pdu)
  for (const server of servers) {
    const verdict = verifyText(reference, pdu.signatures, server, (keyId) =>
      usableKey(rules, pdu, keys(server, keyId)),
    )
    if (!verdict.ok) return verdict
  }
  return good
}

/** "Additionally, any keys that are known to have expired prior to the event's origin_server_ts are ignored." */
function usableKey(rules: RoomVersionRules, pdu: Pdu, key: VerifyKey | undefined): KeyObject | undefined {
  if (key === undefined || (key.expiredTs !== undefined && key.expiredTs < pdu.origin_server_ts))
    return undefined
  // "servers MUST enforce the valid_until_ts property … is at least as large as the origin_server_ts". Since v5.
  const outlived = key.expiredTs === undefined && key.validUntilTs < pdu.origin_server_ts
  return rules.enforceKeyValidity && outlived ? undefined : key.publicKey
}

function verifyText(
  text: string,
  signatures: JsonObject | undefined,
  server: ServerName,
  keyOf: (keyId: SigningKeyId) => KeyObject | undefined,
): SignatureVerdict {
  const ofServer = signatures && objectField(signatures, server)
  if (ofServer === undefined) return { ok: false, server, why: 'no_signature' }
  let known = 0
  for (const [keyId, signature] of Object.entries(ofServer)) {
    const key = isSigningKeyId(keyId) ? keyOf(keyId) : undefined
    if (key === undefined) continue
    known++
    if (!isSignedBy(text, signature, key)) return { ok: false, server, why: 'bad_signature' }
  }
  return known > 0 ? good : { ok: false, server, why: 'no_known_key' }
}

/** True if the value is a base64 signature on the text by the key. */
export function isSignedBy(text: string, signature: unknown, key: KeyObject): boolean {
  const bytes = typeof signature === 'string' ? decodeBase64(signature) : undefined
  return bytes?.length === signatureBytes && verify(null, Buffer.from(text, 'utf8'), key, bytes)
}
