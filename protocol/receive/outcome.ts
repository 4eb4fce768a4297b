// What can become of an event that another server sent.

import type { CheckedEvent } from '../auth/auth-event.ts'
import type { RuleId } from '../auth/verdict.ts'
import type { FormatRule, Pdu } from '../events/pdu.ts'
import type { EventId } from '../ids/event-id.ts'
import type { RoomId } from '../ids/room-id.ts'

/**
 * What a failed check does to an event, in the order of the checks. The check of the content hash is not among them: an event that fails
 * it goes on, redacted. Server-server API v1.19, "Checks performed on receipt of a PDU".
 */
export const consequences = {
  /** "Is a valid event, otherwise it is dropped." */
  form: 'dropped',
  /** "Passes signature checks, otherwise it is dropped." */
  signature: 'dropped',
  /** "Passes authorisation rules based on the event's auth events, otherwise it is rejected." */
  'auth-events': 'rejected',
  /** "Passes authorisation rules based on the state before the event, otherwise it is rejected." */
  'state-before': 'rejected',
  /** "Passes authorisation rules based on the current state of the room, otherwise it is “soft failed”." */
  'current-state': 'soft-failed',
  /** "Is validated by the Policy Server, if the room is using a Policy Server, otherwise it is “soft failed”." */
  'policy-server': 'soft-failed',
} as const

/** A check that an event can fail. */
export type ReceiptCheck = keyof typeof consequences

/** Why an event has failed a check: the check, the rule by which it failed, and a sentence for people. */
export interface Failure {
  readonly check: ReceiptCheck
  readonly rule: FormatRule | RuleId | 'bad_signature' | 'no_known_key' | 'no_signature' | 'policy_server'
  readonly why: string
}

/** An event whose form and signatures are right: checks 1 to 3 are behind it. */
export interface VerifiedPdu {
  readonly eventId: EventId
  readonly roomId: RoomId
  /** Redacted if `redacted`, and without what other servers say in `unsigned`. */
  readonly pdu: Pdu
  /** The canonical JSON of `pdu`, as it is to be kept. */
  readonly json: string
  /** True if the content hash was wrong: only what survives redaction is known to be what its sender wrote. */
  readonly redacted: boolean
  /** The event as the authorisation rules look at it. */
  readonly event: CheckedEvent
}

/**
 * What becomes of an event.
 * - `accepted`: it is shown to clients, and new events refer to it.
 * - `soft-failed`: it takes part in the state of what follows it, is shown to no client and referred to by no new event.
 * - `rejected`: it is kept in the graph without changing the state, is shown to no client and referred to by no new event.
 * - `dropped`: as if it had never come.
 * - `undecided`: these auth events are not to be had; nothing is known about the event, which may come again.
 */
export type ReceiptOutcome =
  | { readonly kind: 'accepted'; readonly verified: VerifiedPdu }
  | { readonly kind: 'rejected' | 'soft-failed'; readonly verified: VerifiedPdu; readonly failure: Failure }
  | { readonly kind: 'dropped'; readonly failure: Failure }
  | { readonly kind: 'undecided'; readonly verified: VerifiedPdu; readonly missing: readonly EventId[] }
