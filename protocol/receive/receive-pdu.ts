/**
 * The checks that an event of another server has to pass, in their order. Server-server API v1.19, "Checks performed on receipt of
 * a PDU".
 *
 * It is a generator that its caller drives: it pauses when it needs what may have to be fetched (keys, auth events, states), and asks
 * its source for it when it is resumed. What the source does not have then is not to be had. Nothing is fetched that an earlier failure
 * has made unnecessary, and nothing is changed, so it can be abandoned at any pause.
 */
import type { AuthEvent, CheckedEvent, StateLookup } from '../auth/auth-event.ts'
import { checkAuthEventsList, type ListedEvent } from '../auth/auth-events-list.ts'
import { checkAuth } from '../auth/check.ts'
import { authEventKeys, type StateKey } from '../auth/select.ts'
import { reject, type Verdict } from '../auth/verdict.ts'
import { createEventOfRoom } from '../events/hash.ts'
import { authEventIds } from '../events/pdu.ts'
import type { EventId } from '../ids/event-id.ts'
import type { ServerName } from '../ids/server-name.ts'
import type { ReceivedJson } from '../json/received.ts'
import type { KeyLookup } from '../signing/verify.ts'
import { verifyAuthorisedJoin } from '../signing/verify.ts'
import type { RoomVersionRules } from '../versions/rules.ts'
import {
  consequences,
  type Failure,
  type ReceiptCheck,
  type ReceiptOutcome,
  type VerifiedPdu,
} from './outcome.ts'
import { hasPolicySignature, needsPolicySignature, policyServerOf } from './policy-server.ts'
import { verifyPdu, type LoadKeys } from './verify-pdu.ts'

/** What is known to the server; each is asked only after the pause in which it could be fetched. */
export interface ReceiptSource {
  readonly key: KeyLookup
  /** An event that has been checked before, with whether it was rejected. */
  authEvent(id: EventId): ListedEvent | undefined
  /** The state before the event, resolved if it has several previous events. */
  readonly stateBefore: StateLookup
  /** "the resolved state across all forward extremities". */
  readonly currentState: StateLookup
  /** Whether a user of this server is joined to the room. */
  hasJoined(server: ServerName): boolean
  /** The signature that the room's policy server gave when it was asked, in base64. */
  policySignature(): string | undefined
}

/** What is needed before the checks can go on. */
export type ReceiptPause =
  | LoadKeys
  /** These events; fetch them from the sender with what they need in turn, and check them. */
  | { readonly kind: 'load-auth-events'; readonly ids: readonly EventId[] }
  /** These entries of the state before the event, or of the current state. */
  | { readonly kind: 'load-state'; readonly of: 'before' | 'current'; readonly keys: readonly StateKey[] }
  /** Whether a user of this server is joined to the room. */
  | { readonly kind: 'load-joined'; readonly server: ServerName }
  /** A signature of the policy server, which is to be asked for one. */
  | { readonly kind: 'ask-policy-server'; readonly server: ServerName }

/** Checks that are under way; resumed by the caller until they return. */
export type Receiving<T> = Generator<ReceiptPause, T, undefined>

/** Where the event stands: `live` events are judged by the current state too, those of the past (backfill, gaps) are not. */
export interface ReceiptOptions {
  readonly isLive: boolean
}

/** All checks on an event of another server; `received` is the event as `receivedElements` cut it out. */
export function* receivePdu(
  rules: RoomVersionRules,
  received: ReceivedJson,
  source: ReceiptSource,
  { isLive }: ReceiptOptions,
): Receiving<ReceiptOutcome> {
  const verified = yield* verifyPdu(rules, received, source.key)
  if (verified.kind === 'dropped') return verified
  const authorised = yield* authoriseByAuthEvents(rules, verified, source)
  if (authorised !== undefined) return authorised
  return yield* authoriseByStates(rules, verified, source, isLive)
}

/**
 * Check 4, for an event that has passed 1 to 3: by its auth events. The outcome if the event fails or cannot be judged, otherwise
 * undefined. It is all that can be checked of events whose state is not known, such as those of a room that is being joined.
 */
export function* authoriseByAuthEvents(
  rules: RoomVersionRules,
  verified: VerifiedPdu,
  source: Pick<ReceiptSource, 'authEvent' | 'key'>,
): Receiving<ReceiptOutcome | undefined> {
  const { event } = verified
  const listedIds = authEventIds(rules, verified.pdu)
  const impliedCreate = impliedCreateOf(rules, verified)
  const ids = impliedCreate === undefined ? listedIds : [...listedIds, impliedCreate]
  const unknown = ids.filter((id) => source.authEvent(id) === undefined)
  if (unknown.length > 0) yield { kind: 'load-auth-events', ids: unknown }
  const missing = ids.filter((id) => source.authEvent(id) === undefined)
  if (missing.length > 0) return { kind: 'undecided', verified, missing }
  const listed = listedIds.flatMap((id) => source.authEvent(id) ?? [])
  const create = impliedCreate === undefined ? undefined : source.authEvent(impliedCreate)
  const verdict = firstFailure([
    () => checkImpliedCreate(create),
    () => checkAuthEventsList(rules, event, listed),
    () => checkJoinSignature(rules, verified, source.key),
    () => checkAuth(rules, event, stateOfAuthEvents(create === undefined ? listed : [...listed, create])),
  ])
  return verdict.ok ? undefined : failed(verified, 'auth-events', verdict)
}

/** Checks 5 to 7: by the state before the event, by the current state, and by the policy server. */
function* authoriseByStates(
  rules: RoomVersionRules,
  verified: VerifiedPdu,
  source: ReceiptSource,
  isLive: boolean,
): Receiving<ReceiptOutcome> {
  const { event } = verified
  const keys: readonly StateKey[] = [
    ...new Map<string, StateKey>(
      [['m.room.create', ''] as const, ...authEventKeys(rules, event)].map((key) => [
        JSON.stringify(key),
        key,
      ]),
    ).values(),
  ]
  yield { kind: 'load-state', of: 'before', keys }
  const before = firstFailure([
    () => checkOnlyCreate(event, source.stateBefore),
    () => checkAuth(rules, event, source.stateBefore),
  ])
  if (!before.ok) return failed(verified, 'state-before', before)
  if (!isLive) return { kind: 'accepted', verified }
  yield { kind: 'load-state', of: 'current', keys: [...keys, ['m.room.policy', '']] }
  const current = checkAuth(rules, event, source.currentState)
  if (!current.ok) return failed(verified, 'current-state', current)
  const recommended = yield* checkPolicyServer(rules, verified, source)
  return recommended ?? { kind: 'accepted', verified }
}

/** Check 7. "If the Policy Server's signature is invalid or missing, the homeserver SHOULD ask for a new signature." */
function* checkPolicyServer(
  rules: RoomVersionRules,
  verified: VerifiedPdu,
  source: ReceiptSource,
): Receiving<ReceiptOutcome | undefined> {
  const policy = policyServerOf(source.currentState('m.room.policy', ''))
  if (policy === undefined || !needsPolicySignature(verified.event)) return undefined
  const { server } = policy
  yield { kind: 'load-joined', server }
  // "The server name denoted by […] `via` has at least one joined user in the room in *current state*."
  if (!source.hasJoined(server)) return undefined
  if (hasPolicySignature(rules, verified.pdu, policy)) return undefined
  yield { kind: 'ask-policy-server', server }
  if (hasPolicySignature(rules, verified.pdu, policy, source.policySignature())) return undefined
  const why = `The event is not signed by the policy server ${server}.`
  return outcomeOf(verified, { check: 'policy-server', rule: 'policy_server', why })
}

/** The create event that a room id of version 12 implies, for every event but the create event itself. */
function impliedCreateOf(rules: RoomVersionRules, { event, roomId }: VerifiedPdu): EventId | undefined {
  return rules.roomIdIsCreateHash && event.type !== 'm.room.create' ? createEventOfRoom(roomId) : undefined
}

/** "If the event's room_id is not an event ID for an accepted (not rejected) m.room.create event, […] reject." Since v12. */
function checkImpliedCreate(create: ListedEvent | undefined): Verdict {
  const isGood = create === undefined || (create.type === 'm.room.create' && !create.rejected)
  return isGood
    ? { ok: true }
    : reject('room.other_create', 'The room id does not name an accepted create event.')
}

/** "If the event is not validly signed by the homeserver of the user ID denoted by the key, reject." Since v8. */
function checkJoinSignature(rules: RoomVersionRules, { pdu }: VerifiedPdu, key: KeyLookup): Verdict {
  const verdict = verifyAuthorisedJoin(rules, pdu, key)
  if (verdict.ok) return { ok: true }
  return reject(
    'join.authoriser_signature',
    `The join is not signed by ${verdict.server}, which is to authorise it.`,
  )
}

/**
 * NOTSPEC: a room has one create event. The rules let any number pass that have no previous events; before version 12, where the id of
 * the room does not say which is the right one, the first one is.
 */
function checkOnlyCreate(event: CheckedEvent, state: StateLookup): Verdict {
  if (event.type !== 'm.room.create') return { ok: true }
  const create = state('m.room.create', '')
  const isOnly = create === undefined || create.eventId === event.eventId
  return isOnly ? { ok: true } : reject('room.other_create', 'The room has another create event.')
}

function stateOfAuthEvents(events: readonly AuthEvent[]): StateLookup {
  return (type, stateKey) => events.find((event) => event.type === type && event.stateKey === stateKey)
}

function firstFailure(checks: readonly (() => Verdict)[]): Verdict {
  for (const check of checks) {
    const verdict = check()
    if (!verdict.ok) return verdict
  }
  return { ok: true }
}

function failed(
  verified: VerifiedPdu,
  check: ReceiptCheck,
  verdict: Verdict & { readonly ok: false },
): ReceiptOutcome {
  return outcomeOf(verified, { check, rule: verdict.rule, why: verdict.why })
}

function outcomeOf(verified: VerifiedPdu, failure: Failure): ReceiptOutcome {
  const kind = consequences[failure.check]
  return kind === 'dropped' ? { kind, failure } : { kind, verified, failure }
}
