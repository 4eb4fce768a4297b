/** Checks 1 to 3 on an event of another server: its form, its signatures, its content hash. */
import { toCheckedEvent } from '../auth/auth-event.ts'
import { eventIdOf, hasValidContentHash, roomIdOfCreate } from '../events/hash.ts'
import { checkReceivedFormat, type FormatVerdict, type Pdu } from '../events/pdu.ts'
import { redact } from '../events/redact.ts'
import { withoutForeignUnsigned } from '../events/unsigned.ts'
import type { EventId } from '../ids/event-id.ts'
import { isSigningKeyId, type SigningKeyId } from '../ids/key-id.ts'
import type { RoomId } from '../ids/room-id.ts'
import type { ServerName } from '../ids/server-name.ts'
import { canonicalJson } from '../json/canonical.ts'
import type { ReceivedJson } from '../json/received.ts'
import { isJsonObject, objectField } from '../json/types.ts'
import {
  requiredSigners,
  verifyAuthorisedJoin,
  verifyEvent,
  type KeyLookup,
  type SignatureVerdict,
} from '../signing/verify.ts'
import type { RoomVersionRules } from '../versions/rules.ts'
import type { Failure, ReceiptOutcome, VerifiedPdu } from './outcome.ts'

/** The keys of a server by which an event claims to be signed. */
export interface WantedKeys {
  readonly server: ServerName
  readonly keyIds: readonly SigningKeyId[]
  /**
   * Until when a key must be valid to count, in milliseconds since the epoch: what goes into `minimum_valid_until_ts`. Undefined where the
   * room version does not ask.
   */
  readonly validUntilTs: number | undefined
}

/** These keys are not known, or not as being valid at the time of the event. Fetch them anew. */
export interface LoadKeys {
  readonly kind: 'load-keys'
  readonly wanted: readonly WantedKeys[]
}

/** An event that has passed the checks, or what has become of it. */
export type Verification =
  | (VerifiedPdu & { readonly kind: 'verified' })
  | Extract<ReceiptOutcome, { kind: 'dropped' }>

/**
 * Checks 1 to 3. Pauses only when a key is not there. The signature on a restricted join is not judged, but its key is fetched. Compare
 * `eventId` and `roomId` with what has been asked for: another valid event is not the right one.
 */
export function* verifyPdu(
  rules: RoomVersionRules,
  received: ReceivedJson,
  key: KeyLookup,
): Generator<LoadKeys, Verification, undefined> {
  const form = checkForm(rules, received)
  if (!form.ok) return { kind: 'dropped', failure: { check: 'form', rule: form.rule, why: form.why } }
  const failure = yield* checkSignatures(rules, form.pdu, key)
  if (failure !== undefined) return { kind: 'dropped', failure }
  const verified = afterContentHash(rules, form)
  // A third-party invite needs no signature of its sender, and before version 11 redaction makes an ordinary invite of it. So it must be
  // signed as if it had come redacted; otherwise anybody could invite in the name of another.
  const failureRedacted = verified.redacted ? yield* checkSignatures(rules, verified.pdu, key) : undefined
  if (failureRedacted !== undefined) return { kind: 'dropped', failure: failureRedacted }
  return { kind: 'verified', ...verified }
}

/** "Passes signature checks, otherwise it is dropped." */
function* checkSignatures(
  rules: RoomVersionRules,
  pdu: Pdu,
  key: KeyLookup,
): Generator<LoadKeys, Failure | undefined, undefined> {
  let signed = verifyEvent(rules, pdu, key)
  if (lacksKey(signed) || lacksKey(verifyAuthorisedJoin(rules, pdu, key))) {
    yield { kind: 'load-keys', wanted: wantedKeys(rules, pdu) }
    signed = verifyEvent(rules, pdu, key)
  }
  if (signed.ok) return undefined
  const why = `The event has no valid signature of ${signed.server}.`
  return { check: 'signature', rule: signed.why, why }
}

/** "Is a valid event, otherwise it is dropped. For an event to be valid, it must comply with the event format of that room version." */
function checkForm(rules: RoomVersionRules, received: ReceivedJson): FormatVerdict {
  const { value } = received
  return checkReceivedFormat(
    rules,
    isJsonObject(value) ? { ...received, value: withoutForeignUnsigned(value) } : received,
  )
}

function lacksKey(verdict: SignatureVerdict): boolean {
  return !verdict.ok && verdict.why === 'no_known_key'
}

function wantedKeys(rules: RoomVersionRules, pdu: Pdu): readonly WantedKeys[] {
  return requiredSigners(rules, pdu).map((server) => ({
    server,
    keyIds: Object.keys(objectField(pdu.signatures ?? {}, server) ?? {}).filter(isSigningKeyId),
    validUntilTs: rules.enforceKeyValidity ? pdu.origin_server_ts : undefined,
  }))
}

/** "Passes hash checks, otherwise it is redacted before being processed further." */
function afterContentHash(
  rules: RoomVersionRules,
  form: { readonly pdu: Pdu; readonly json: string },
): VerifiedPdu {
  const redacted = !hasValidContentHash(rules, form.pdu)
  const pdu = redacted ? redact(rules, form.pdu) : form.pdu
  const json = redacted ? canonicalJson(pdu, rules.strictCanonicalJson ? 'strict' : 'lax') : form.json
  const eventId = eventIdOf(rules, pdu)
  return {
    eventId,
    roomId: roomOf(pdu, eventId),
    pdu,
    json,
    redacted,
    event: toCheckedEvent(rules, pdu, eventId),
  }
}

function roomOf(pdu: Pdu, eventId: EventId): RoomId {
  return pdu.room_id ?? roomIdOfCreate(eventId)
}
