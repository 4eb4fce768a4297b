/**
 * The room as the server in it describes it to one that joins: the answer to a join, of which nothing is believed. Each event passes the
 * checks 1 to 4; one that does not is left out or rejected and does not spoil the others. What is left must be a room of the version that was
 * asked for. Server-server API v1.19, "Joining Rooms".
 */
import type { ListedEvent } from '../auth/auth-events-list.ts'
import { createEventOfRoom } from '../events/hash.ts'
import { authEventIds } from '../events/pdu.ts'
import { roomVersionOf } from '../events/read/create.ts'
import type { EventId } from '../ids/event-id.ts'
import type { RoomId } from '../ids/room-id.ts'
import type { ReceivedJson } from '../json/received.ts'
import type { KeyLookup } from '../signing/verify.ts'
import type { RoomVersionRules } from '../versions/rules.ts'
import { orderByAuthEvents, type AuthNode } from './auth-order.ts'
import type { VerifiedPdu } from './outcome.ts'
import { authoriseByAuthEvents, type ReceiptPause } from './receive-pdu.ts'
import { verifyPdu, type LoadKeys, type Verification, type WantedKeys } from './verify-pdu.ts'

/** What came: the state of the room before the join, and the events that authorise it. */
export interface RoomParts {
  readonly state: readonly ReceivedJson[]
  readonly authChain: readonly ReceivedJson[]
}

/** An event of the room that is worth keeping. */
export interface RoomEvent {
  readonly verified: VerifiedPdu
  /** True if its auth events do not allow it. */
  readonly rejected: boolean
}

/** The room, or why it is none that can be joined in this way, for people. */
export type RoomOutcome =
  | {
      readonly kind: 'room'
      /** All events, each after its auth events. */
      readonly events: readonly RoomEvent[]
      /** Those that are the state, one for each key. */
      readonly state: readonly VerifiedPdu[]
      /** How many of the events that came have been left out. */
      readonly leftOut: number
    }
  | { readonly kind: 'refused'; readonly why: string }

/** What is needed before the checks can go on, or `breathe`: others may run now. */
export type RoomPause = ReceiptPause | { readonly kind: 'breathe' }

/** A check of a signature takes a tenth of a millisecond, so this is a turn of a few. */
const eventsPerTurn = 50

/** Checks what came in answer to a join. Pauses for all keys at once, and to let others run. */
export function* receiveRoom(
  rules: RoomVersionRules,
  roomId: RoomId,
  { state, authChain }: RoomParts,
  key: KeyLookup,
): Generator<RoomPause, RoomOutcome, undefined> {
  const verified = yield* verifyAll(rules, [...authChain, ...state], key)
  const ours = verified.map((one) => (one?.roomId === roomId ? one : undefined))
  const nodes = ours.flatMap((one) => (one === undefined ? [] : [authNodeOf(rules, one)]))
  const { ordered } = orderByAuthEvents(nodes)
  const events = new Map<EventId, RoomEvent>()
  for (const node of ordered) {
    events.set(node.eventId, yield* authorise(rules, node.verified, { events, key }))
    if (events.size % eventsPerTurn === 0) yield { kind: 'breathe' }
  }
  const stateEvents = stateOf(ours.slice(authChain.length), events)
  const problem = problemOf(rules, stateEvents)
  if (problem !== undefined) return { kind: 'refused', why: problem }
  const leftOut = new Set(ours.flatMap((one) => one?.eventId ?? [])).size - events.size
  const bad = ours.filter((one) => one === undefined).length
  return { kind: 'room', events: [...events.values()], state: stateEvents, leftOut: leftOut + bad }
}

/** Checks 1 to 3 on many events, with one pause for the keys that all of them lack; undefined for those that are dropped. */
export function* verifyAll(
  rules: RoomVersionRules,
  received: readonly ReceivedJson[],
  key: KeyLookup,
): Generator<LoadKeys | { readonly kind: 'breathe' }, readonly (VerifiedPdu | undefined)[], undefined> {
  const results: (Verification | undefined)[] = received.map(() => undefined)
  let open: readonly Open[] = received.map((one, index) => ({ index, checks: verifyPdu(rules, one, key) }))
  while (open.length > 0) {
    const stillOpen: Open[] = []
    const wanted: WantedKeys[] = []
    for (const [count, one] of open.entries()) {
      const step = one.checks.next()
      if (step.done === true) results[one.index] = step.value
      else {
        stillOpen.push(one)
        wanted.push(...step.value.wanted)
      }
      if (count % eventsPerTurn === eventsPerTurn - 1) yield { kind: 'breathe' }
    }
    open = stillOpen
    if (open.length > 0) yield { kind: 'load-keys', wanted: mergeWanted(wanted) }
  }
  return results.map((result) => (result?.kind === 'verified' ? result : undefined))
}

/** The checks on one of many events, at their pause. */
interface Open {
  readonly index: number
  readonly checks: ReturnType<typeof verifyPdu>
}

/** One entry per server, with all its keys and the latest time for which one of them must be valid. */
function mergeWanted(all: readonly WantedKeys[]): readonly WantedKeys[] {
  const merged = new Map<string, WantedKeys>()
  for (const one of all) {
    const other = merged.get(one.server)
    const keyIds = [...new Set([...(other?.keyIds ?? []), ...one.keyIds])]
    const times = [other?.validUntilTs, one.validUntilTs].filter((time) => time !== undefined)
    merged.set(one.server, {
      server: one.server,
      keyIds,
      validUntilTs: times.length === 0 ? undefined : Math.max(...times),
    })
  }
  return [...merged.values()]
}

interface VerifiedNode extends AuthNode {
  readonly verified: VerifiedPdu
}

/** In version 12 the create event authorises without being named. */
function authNodeOf(rules: RoomVersionRules, verified: VerifiedPdu): VerifiedNode {
  const { eventId, event, roomId } = verified
  const named = authEventIds(rules, verified.pdu)
  const implied = rules.roomIdIsCreateHash && event.type !== 'm.room.create'
  return { eventId, verified, authEvents: implied ? [...named, createEventOfRoom(roomId)] : named }
}

function* authorise(
  rules: RoomVersionRules,
  verified: VerifiedPdu,
  known: { readonly events: ReadonlyMap<EventId, RoomEvent>; readonly key: KeyLookup },
): Generator<RoomPause, RoomEvent, undefined> {
  const authEvent = (id: EventId): ListedEvent | undefined => {
    const found = known.events.get(id)
    return found && { ...found.verified.event, rejected: found.rejected }
  }
  const failed = yield* authoriseByAuthEvents(rules, verified, { authEvent, key: known.key })
  return { verified, rejected: failed !== undefined }
}

/** The accepted state events among what was sent as the state; of two for the same key the first one. */
function stateOf(
  sent: readonly (VerifiedPdu | undefined)[],
  events: ReadonlyMap<EventId, RoomEvent>,
): readonly VerifiedPdu[] {
  const state = new Map<string, VerifiedPdu>()
  for (const verified of sent) {
    const isGood = verified !== undefined && events.get(verified.eventId)?.rejected === false
    if (!isGood || verified.event.stateKey === undefined) continue
    state.getOrInsert(JSON.stringify([verified.event.type, verified.event.stateKey]), verified)
  }
  return [...state.values()]
}

function problemOf(rules: RoomVersionRules, state: readonly VerifiedPdu[]): string | undefined {
  const create = state.find(({ event }) => event.type === 'm.room.create' && event.stateKey === '')
  if (create === undefined) return 'The state of the room has no create event.'
  if (roomVersionOf(create.event.content) !== rules.id) return 'The room is of another version.'
  return undefined
}
