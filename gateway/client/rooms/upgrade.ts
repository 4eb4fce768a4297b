/**
 * POST /_matrix/client/v3/rooms/{roomId}/upgrade
 * https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3roomsroomidupgrade
 */

import { z } from 'zod'
import { viewRoom, type RoomView } from '#protocol/auth/room-view.ts'
import { MatrixError } from '#protocol/errors.ts'
import { levelOf } from '#protocol/events/read/power-levels.ts'
import { field, type JsonObject } from '#protocol/json/types.ts'
import type { RoomVersionRules } from '#protocol/versions/rules.ts'
import type { StoredEvent } from '#storage/entry.ts'
import { contentOf } from '#storage/rooms/aggregations.ts'
import { timelinePage } from '#storage/rooms/timeline.ts'
import { defineEndpoint } from '../../http/endpoint.ts'
import { creatableVersion, makeRoom } from './new-room.ts'
import { askOwnRoom, roomIdOf, userIdOf, type UserRequest } from './request.ts'
import { stateReader } from './state-reader.ts'
import { upgradedJoinRules, upgradedLevels, type RoomSide } from './upgraded-state.ts'
import { lookInto, notInRoom, type RoomSight } from './visible.ts'

/** State that goes over into the new room; power levels come last, for they may take away the power to send the others. */
const transferred = [
  'm.room.server_acl',
  'm.room.encryption',
  'm.room.name',
  'm.room.avatar',
  'm.room.topic',
  'm.room.guest_access',
  'm.room.history_visibility',
  'm.room.join_rules',
]

const schema = z.looseObject({
  new_version: z.string(),
  additional_creators: z.array(z.string()).optional(),
})

export const endpoint = defineEndpoint({
  method: 'POST',
  path: ['/_matrix/client/v3/rooms/:roomId/upgrade', '/_matrix/client/r0/rooms/:roomId/upgrade'],
  auth: 'user',
  rateLimit: 'join',
  body: { kind: 'json', schema, grammar: 'event' },
  async handle(context) {
    const oldRoom = roomIdOf(context)
    const { body, reads, requester } = context
    const rules = creatableVersion(body.new_version)
    const creators = (body.additional_creators ?? []).map(userIdOf)
    const sight = await lookInto(reads, requester.userId, { roomId: oldRoom })
    if (sight.membership !== 'join') throw notInRoom()
    const state = await readState(context, sight)
    const view = roomView(sight, state)
    checkMayUpgrade(context, view)
    const newRoom = await makeRoom(context, {
      rules,
      createContent: {
        ...keptCreation(state),
        predecessor: await predecessor(context, sight, rules),
        ...(rules.privilegedCreators && creators.length > 0 ? { additional_creators: creators } : undefined),
      },
      state: newState(state, view, { rules, creators: [requester.userId, ...creators] }),
      invites: [],
    })
    await askOwnRoom(context, oldRoom, 'state', {
      sender: requester.userId,
      type: 'm.room.tombstone',
      stateKey: '',
      content: { body: 'This room has been replaced', replacement_room: newRoom },
    })
    await silence(context, sight, state)
    return { replacement_room: newRoom }
  },
})

/** The entries of the old room with an empty state key, by type. */
type RoomState = ReadonlyMap<string, StoredEvent>

async function readState(context: UserRequest, sight: RoomSight): Promise<RoomState> {
  const { root, roomNid } = sight.room
  const types = [...transferred, 'm.room.create', 'm.room.power_levels']
  const queries = types.map((type) => ({ roomNid, root, type, stateKey: '' }))
  const events = await stateReader(context.reads).getMany(queries)
  return new Map(events.flatMap((event) => (event === undefined ? [] : [[event.type, event]])))
}

/** Throws M_FORBIDDEN before anything is made, if the user may not replace the room. */
function checkMayUpgrade(context: UserRequest, view: RoomView): void {
  const level = view.levels.userLevel(context.requester.userId)
  if (level < view.levels.eventLevel('m.room.tombstone', true)) {
    throw new MatrixError('M_FORBIDDEN', 'Your power level is too low to upgrade the room.')
  }
}

function roomView(sight: RoomSight, state: RoomState): RoomView {
  const create = state.get('m.room.create')
  if (create === undefined) throw notInRoom()
  return viewRoom(sight.rules, { ...create, content: contentOf(create) }, (type) => {
    const event = state.get(type)
    return event && { ...event, content: contentOf(event) }
  })
}

/** What the create event of the new room takes over from that of the old one. */
function keptCreation(state: RoomState): JsonObject {
  const create = state.get('m.room.create')
  const content = create === undefined ? {} : contentOf(create)
  const { additional_creators: _creators, nonce: _nonce, predecessor: _predecessor, ...kept } = content
  return kept
}

/** The old room, and for versions before 12 the last event of it that is known. */
async function predecessor(
  context: UserRequest,
  sight: RoomSight,
  rules: RoomVersionRules,
): Promise<JsonObject> {
  const { head, roomId, roomNid } = sight.room
  if (rules.roomIdIsCreateHash) return { room_id: roomId }
  const [last] = await timelinePage(context.reads, {
    roomNid,
    after: 0,
    upTo: head,
    direction: 'b',
    limit: 1,
  })
  return { room_id: roomId, ...(last === undefined ? undefined : { event_id: last.event.eventId }) }
}

function newState(
  state: RoomState,
  old: RoomSide,
  next: RoomSide,
): { type: string; stateKey: string; content: JsonObject }[] {
  const copies = transferred.flatMap((type) => {
    const event = state.get(type)
    if (event === undefined) return []
    const content = contentOf(event)
    return [
      {
        type,
        stateKey: '',
        content: type === 'm.room.join_rules' ? upgradedJoinRules(next.rules, content) : content,
      },
    ]
  })
  const levels = state.get('m.room.power_levels')
  if (levels === undefined) return copies
  const content = upgradedLevels(contentOf(levels), old, next)
  return [...copies, { type: 'm.room.power_levels', stateKey: '', content }]
}

/** "If possible, the power levels in the old room should also be modified to prevent sending of events and inviting new users." */
async function silence(context: UserRequest, sight: RoomSight, state: RoomState): Promise<void> {
  const levels = state.get('m.room.power_levels')
  const content = levels === undefined ? {} : contentOf(levels)
  const muted = Math.max(50, (levelOf(sight.rules, field(content, 'users_default')) ?? 0) + 1)
  const request = {
    sender: context.requester.userId,
    type: 'm.room.power_levels',
    stateKey: '',
    content: { ...content, events_default: muted, invite: muted },
  }
  try {
    await askOwnRoom(context, sight.room.roomId, 'state', request)
  } catch (error) {
    // M_BAD_JSON: the room has levels that nobody may set again.
    if (!(error instanceof MatrixError) || !['M_FORBIDDEN', 'M_BAD_JSON'].includes(error.errcode)) throw error
  }
}
