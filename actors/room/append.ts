/**
 * How an event gets into a room, in two steps. `prepareEvent` decides and builds: authorisation on the current state, references, text, id,
 * the new root of the state. It changes nothing and may be repeated when something has to be loaded first. `appendEvent` is the only
 * function that turns the result into rows, and from then on the room stands after the event.
 */

import { toCheckedEvent } from '#protocol/auth/auth-event.ts'
import { checkAuth } from '#protocol/auth/check.ts'
import { authEventKeys } from '#protocol/auth/select.ts'
import type { RuleId } from '#protocol/auth/verdict.ts'
import { MatrixError } from '#protocol/errors.ts'
import { buildEvent, type BuiltEvent } from '#protocol/events/build.ts'
import { membershipOf } from '#protocol/events/read/membership.ts'
import { predecessorOf } from '#protocol/events/read/predecessor.ts'
import type { EventId } from '#protocol/ids/event-id.ts'
import type { RoomId } from '#protocol/ids/room-id.ts'
import { isUserId, type UserId } from '#protocol/ids/user-id.ts'
import { JsonError, type JsonObject } from '#protocol/json/types.ts'
import { relationOf } from '#protocol/relations/relates-to.ts'
import { encodeNode, nodeIdToBytes } from '#protocol/state/trie-node.ts'
import type { TrieUpdate } from '#protocol/state/trie-update.ts'
import type { StoredEvent } from '#storage/entry.ts'
import type { Membership } from '#storage/log-kinds.ts'
import type { LogRef } from '#storage/writes.ts'
import type { Batch } from './batch.ts'
import type { RoomCore } from './core.ts'
import { explicitIdOf, hashOfBuilt } from './reference-hashes.ts'
import type { StateEvent } from './state.ts'

/** A client's transaction. */
export interface ClientTxn {
  readonly deviceId: string
  readonly txnId: string
  /** `storage/txn-key.ts`. */
  readonly key: string
}

/** An event that somebody wants. */
export interface EventDraft {
  readonly type: string
  readonly stateKey?: string
  readonly sender: UserId
  readonly content: JsonObject
  /** Top-level `redacts`, for room versions before 11. */
  readonly redacts?: EventId
  readonly txn?: ClientTxn
}

/** An event that may be appended to the room as it stands. */
export interface PreparedEvent {
  readonly nid: number
  readonly draft: EventDraft
  readonly built: BuiltEvent
  /** In versions 1 and 2. */
  readonly referenceHash: string | undefined
  /** For a state event. */
  readonly state: { readonly event: StateEvent; readonly update: TrieUpdate } | undefined
  readonly member: MemberChangeColumns | undefined
}

/** What a membership event says in the columns of its row. */
export interface MemberChangeColumns {
  readonly userId: UserId
  readonly membership: Membership
  readonly prevMembership: Membership | undefined
  /** The room that this one replaces, where the user comes in. */
  readonly predecessor: RoomId | undefined
}

/** Rules that are broken by what an event says, whoever says it. */
const malformedRules: ReadonlySet<RuleId> = new Set<RuleId>([
  'create.additional_creators',
  'create.creator_missing',
  'create.room_version',
  'member.malformed',
  'member.unknown',
  'power_levels.creator',
  'power_levels.malformed',
])

/** What a new event gets that does not follow from the room and from what is wanted: `RoomServices.stamp`. */
export interface EventStamp {
  readonly nid: number
  /** Milliseconds since the epoch. */
  readonly ts: number
  /** Its id, in versions 1 and 2. */
  readonly eventId: EventId | undefined
}

/**
 * Decides about an event and builds it. Throws M_FORBIDDEN with the rule's sentence, M_TOO_LARGE, M_BAD_JSON, or what `RoomState.lookup`
 * throws for what is not loaded. Server-server API v1.19, "Authorization rules".
 */
export function prepareEvent(room: RoomCore, draft: EventDraft, stamp: EventStamp): PreparedEvent {
  if (draft.type === 'm.room.create') throw new MatrixError('M_BAD_JSON', 'A room has one create event only.')
  const built = build(room, draft, stamp)
  authorise(room, built)
  const previous = draft.stateKey === undefined ? undefined : room.state.lookup(draft.type, draft.stateKey)
  return prepared(room, { draft, built, nid: stamp.nid, previous })
}

/** The create event, which is authorised by itself and stands on nothing. */
export function prepareCreate(
  room: RoomCore,
  draft: EventDraft,
  built: BuiltEvent,
  nid: number,
): PreparedEvent {
  authorise(room, built)
  return prepared(room, { draft, built, nid, previous: undefined })
}

interface BuiltDraft {
  readonly draft: EventDraft
  readonly built: BuiltEvent
  readonly nid: number
  readonly previous: StateEvent | undefined
}

function prepared(room: RoomCore, { draft, built, nid, previous }: BuiltDraft): PreparedEvent {
  const { type, stateKey, sender, content } = draft
  const referenceHash = hashOfBuilt(room.rules, built)
  if (stateKey === undefined) {
    return { nid, draft, built, referenceHash, state: undefined, member: undefined }
  }
  const event: StateEvent = { nid, eventId: built.eventId, type, stateKey, sender, content, referenceHash }
  const update = room.state.prepare(type, stateKey, nid)
  return {
    nid,
    draft,
    built,
    referenceHash,
    state: { event, update },
    member: memberColumns(room, draft, previous),
  }
}

function authorise(room: RoomCore, built: BuiltEvent): void {
  const event = toCheckedEvent(room.rules, built.pdu, built.eventId)
  const verdict = checkAuth(room.rules, event, (type, stateKey) => room.state.lookup(type, stateKey))
  if (verdict.ok) return
  throw new MatrixError(malformedRules.has(verdict.rule) ? 'M_BAD_JSON' : 'M_FORBIDDEN', verdict.why)
}

function build(room: RoomCore, draft: EventDraft, stamp: EventStamp): BuiltEvent {
  const authEvents: StateEvent[] = []
  for (const [type, stateKey] of authEventKeys(room.rules, draft)) {
    const event = room.state.lookup(type, stateKey)
    if (event !== undefined) authEvents.push(event)
  }
  let depth = 0
  for (const tip of room.tips) depth = Math.max(depth, tip.depth)
  try {
    return buildEvent(room.rules, {
      type: draft.type,
      stateKey: draft.stateKey,
      sender: draft.sender,
      roomId: room.roomId,
      content: draft.content,
      prevEvents: room.tips.map((tip) => tip.eventId),
      authEvents: authEvents.map((event) => event.eventId),
      depth: Math.min(depth + 1, Number.MAX_SAFE_INTEGER),
      originServerTs: stamp.ts,
      redacts: draft.redacts,
      explicitId: stamp.eventId && explicitIdOf(stamp.eventId, [...room.tips, ...authEvents]),
    })
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
    throw new MatrixError('M_BAD_JSON', `The content cannot be part of an event: ${error.message}`, {
      cause: error,
    })
  }
}

function memberColumns(
  room: RoomCore,
  draft: EventDraft,
  previous: StateEvent | undefined,
): MemberChangeColumns | undefined {
  const membership = membershipOf(draft.content)
  const userId = draft.stateKey
  if (draft.type !== 'm.room.member' || membership === undefined) return undefined
  if (userId === undefined || !isUserId(userId)) return undefined
  const prevMembership = previous && membershipOf(previous.content)
  const comesIn = membership === 'join' && prevMembership !== 'join'
  const predecessor = comesIn ? predecessorOf(room.create().content) : undefined
  return { userId, membership, prevMembership, predecessor }
}

/** Puts a prepared event behind everything that the room has, and its rows into the batch. */
export function appendEvent(room: RoomCore, batch: Batch, event: PreparedEvent): LogRef {
  const { built, draft, member, nid, referenceHash, state } = event
  if (state !== undefined) applyState(room, batch, state)
  if (member !== undefined && batch.isLocal(member.userId)) room.addUserShard(member.userId)
  room.tips = [{ nid, eventId: built.eventId, depth: built.pdu.depth, referenceHash }]
  const row = {
    kind: 'event',
    roomNid: room.roomNid,
    stateRoot: room.state.root,
    ...(member === undefined ? undefined : definedColumns(member)),
  } as const
  const txnKey = draft.txn?.key
  const body = member === undefined || !batch.isLocal(member.userId) ? undefined : memberBody(member)
  const ref = batch.append(
    {
      ...row,
      eventNid: nid,
      userShards: room.userShards,
      ...(txnKey === undefined ? undefined : { txnKey }),
      ...(body === undefined ? undefined : { body: JSON.stringify(body) }),
    },
    { ...row, roomId: room.roomId, event: storedEvent(event), body },
  )
  putEvent(room, batch, { event, ref })
  putRelation(room, batch, { event, ref })
  room.recent.add(built.eventId, ref, txnKey)
  if (member !== undefined) batch.tellUser(member.userId, ref)
  return ref
}

function definedColumns(member: MemberChangeColumns): {
  userId: UserId
  membership: Membership
  prevMembership?: Membership
} {
  const { userId, membership, prevMembership } = member
  return { userId, membership, ...(prevMembership === undefined ? undefined : { prevMembership }) }
}

/** What only the user's own actor needs to know of his coming: see `logKinds.event`. */
function memberBody({ predecessor }: MemberChangeColumns): JsonObject | undefined {
  return predecessor === undefined ? undefined : { predecessor }
}

function putEvent(room: RoomCore, batch: Batch, { event, ref }: { event: PreparedEvent; ref: LogRef }): void {
  const { built, draft, nid } = event
  batch.writes.put('event', {
    event_nid: nid,
    event_id: built.eventId,
    room_nid: room.roomNid,
    type: draft.type,
    state_key: draft.stateKey ?? null,
    sender: draft.sender,
    origin_server_ts: built.pdu.origin_server_ts,
    json: built.json,
    txn: draft.txn === undefined ? null : `${draft.txn.deviceId} ${draft.txn.txnId}`,
    pos: ref,
  })
}

function applyState(room: RoomCore, batch: Batch, state: { event: StateEvent; update: TrieUpdate }): void {
  room.state.apply(state.event, state.update)
  batch.whenDurable(() => room.state.release(state.event, state.update))
  for (const node of state.update.created) {
    batch.writes.put('state_node', {
      room_nid: room.roomNid,
      id: nodeIdToBytes(node.id).toBase64(),
      data: encodeNode(node).toBase64(),
    })
  }
}

function putRelation(
  room: RoomCore,
  batch: Batch,
  { event, ref }: { event: PreparedEvent; ref: LogRef },
): void {
  const relation = relationOf(event.draft.content)
  if (relation === undefined) return
  batch.writes.put('relation', {
    room_nid: room.roomNid,
    parent_id: relation.eventId,
    event_nid: event.nid,
    rel_type: relation.relType,
    type: event.draft.type,
    sender: event.draft.sender,
    pos: ref,
  })
}

function storedEvent({ built, draft, nid }: PreparedEvent): StoredEvent {
  return {
    nid,
    eventId: built.eventId,
    type: draft.type,
    stateKey: draft.stateKey,
    sender: draft.sender,
    originServerTs: built.pdu.origin_server_ts,
    json: built.json,
    txn: draft.txn === undefined ? undefined : { deviceId: draft.txn.deviceId, txnId: draft.txn.txnId },
    redactedBy: undefined,
  }
}
