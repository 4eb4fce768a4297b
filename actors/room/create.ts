/** The birth of a room: its first events, all in one commit or not at all. Client-server API v1.19, "Creation". */

import { MatrixError } from '#protocol/errors.ts'
import { isUserId } from '#protocol/ids/user-id.ts'
import { emptyRoot } from '#protocol/state/trie.ts'
import type { RoomVersionRules } from '#protocol/versions/rules.ts'
import { rulesFor } from '#protocol/versions/table.ts'
import { appendEvent, prepareCreate, prepareEvent, type EventDraft } from './append.ts'
import type { Batch } from './batch.ts'
import { checkContent } from './content-rules.ts'
import { RoomCore } from './core.ts'
import { buildCreateEvent } from './create-event.ts'
import { stateSource } from './load.ts'
import { checkInvitable, profileContent } from './membership.ts'
import type { CreateRoom } from './messages.ts'
import { hashOfBuilt } from './reference-hashes.ts'
import type { RoomServices } from './services.ts'
import { RoomState } from './state.ts'

/**
 * Makes the room. Nothing is decided unless every event of it is authorised.
 * Throws M_UNSUPPORTED_ROOM_VERSION, M_FORBIDDEN, M_BAD_JSON, M_TOO_LARGE.
 */
export async function createRoom(
  services: RoomServices,
  request: CreateRoom,
  newRoomNumber: () => Promise<number>,
): Promise<RoomCore> {
  const rules = requireRules(request.version)
  const { built, roomId } = buildCreate(rules, request)
  if (roomId !== request.roomId)
    throw new MatrixError('M_INVALID_PARAM', 'The room id is not that of the create event.')
  const identity = { roomId, roomNid: await newRoomNumber(), rules, shardCount: services.shardCount }
  const state = new RoomState(emptyRoot, stateSource(services.context.reads, identity))
  const room = new RoomCore(identity, state, [], 0n)
  const batch = services.batch()
  batch.writes.put('room', {
    room_nid: identity.roomNid,
    room_id: roomId,
    version: rules.id,
    shard_id: services.context.shard,
    created_at: request.originServerTs,
  })
  const create: EventDraft = {
    type: 'm.room.create',
    stateKey: '',
    sender: request.sender,
    content: request.createContent,
  }
  appendEvent(room, batch, prepareCreate(room, create, built, await services.nextNumber()))
  for (const draft of firstEvents(services, rules, request)) await addEvent(room, services, { batch, draft })
  services.decide(batch)
  return room
}

/** Whether an existing room is the one that is asked for. */
export async function isSameRoom(room: RoomCore, request: CreateRoom): Promise<boolean> {
  const create = await room.state.settle(() => room.create())
  const { built } = buildCreate(room.rules, request)
  return (
    request.version === room.rules.id &&
    built.eventId === create.eventId &&
    hashOfBuilt(room.rules, built) === create.referenceHash
  )
}

function buildCreate(rules: RoomVersionRules, request: CreateRoom): ReturnType<typeof buildCreateEvent> {
  return buildCreateEvent(rules, {
    sender: request.sender,
    content: request.createContent,
    originServerTs: request.originServerTs,
    roomId: rules.roomIdIsCreateHash ? undefined : request.roomId,
  })
}

function requireRules(version: string): RoomVersionRules {
  const rules = rulesFor(version)
  if (rules === undefined)
    throw new MatrixError('M_UNSUPPORTED_ROOM_VERSION', 'This room version is not known.')
  return rules
}

async function addEvent(
  room: RoomCore,
  services: RoomServices,
  { batch, draft }: { batch: Batch; draft: EventDraft },
): Promise<void> {
  const stamp = services.stamp(room, draft.sender, await services.nextNumber())
  appendEvent(room, batch, prepareEvent(room, draft, stamp))
}

function* firstEvents(
  services: RoomServices,
  rules: RoomVersionRules,
  request: CreateRoom,
): Generator<EventDraft> {
  const { sender } = request
  yield {
    type: 'm.room.member',
    stateKey: sender,
    sender,
    content: { ...profileContent(request.profile), membership: 'join' },
  }
  for (const state of request.state) {
    checkContent(rules, state, undefined)
    if (state.type === 'm.room.member' && isUserId(state.stateKey)) checkInvitable(services, state.stateKey)
    yield { ...state, sender }
  }
  for (const { isDirect, profile, userId } of request.invites) {
    checkInvitable(services, userId)
    const content = {
      ...profileContent(profile),
      ...(isDirect ? { is_direct: true } : undefined),
      membership: 'invite',
    }
    yield { type: 'm.room.member', stateKey: userId, sender, content }
  }
}
