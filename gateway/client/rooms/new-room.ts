/** The request for a new room as its actor takes it, for creation and upgrades. */

import type { CreateRoom } from '#actors/room/messages.ts'
import { buildCreateEvent } from '#actors/room/create-event.ts'
import { MatrixError } from '#protocol/errors.ts'
import type { RoomId } from '#protocol/ids/room-id.ts'
import { JsonError, type JsonObject } from '#protocol/json/types.ts'
import type { RoomVersionRules } from '#protocol/versions/rules.ts'
import { rulesFor } from '#protocol/versions/table.ts'
import { memberProfile } from '#storage/rooms/member-profile.ts'
import { askRoom, type UserRequest } from './request.ts'

const opaqueBytes = 15
const maxShownVersion = 40

/** What a new room is made of. */
export interface RoomPlan {
  readonly rules: RoomVersionRules
  readonly createContent: JsonObject
  readonly state: CreateRoom['state']
  readonly invites: CreateRoom['invites']
}

/** The rules of a version that rooms can be made of. Throws M_UNSUPPORTED_ROOM_VERSION. */
export function creatableVersion(version: string): RoomVersionRules {
  const rules = rulesFor(version)
  if (rules === undefined) {
    // The name is the client's own and may be of any length.
    const named = JSON.stringify(version.slice(0, maxShownVersion))
    throw new MatrixError('M_UNSUPPORTED_ROOM_VERSION', `Rooms of version ${named} cannot be made here.`)
  }
  return rules
}

/** Makes the room. Throws what its actor throws, M_BAD_JSON for content that no event can have. */
export async function makeRoom(context: UserRequest, plan: RoomPlan): Promise<RoomId> {
  const { rules } = plan
  const { userId } = context.requester
  const originServerTs = context.clock.now()
  const createContent = finalContent(context, plan)
  const named = rules.roomIdIsCreateHash ? undefined : randomRoomId(context)
  const roomId = idOf(rules, { sender: userId, content: createContent, originServerTs, roomId: named })
  const profile = await memberProfile(context.reads, userId)
  await askRoom(context, roomId, 'create', {
    version: rules.id,
    roomId,
    sender: userId,
    createContent,
    originServerTs,
    profile,
    state: plan.state,
    invites: plan.invites,
  })
  return roomId
}

function finalContent(context: UserRequest, { createContent, rules }: RoomPlan): JsonObject {
  const { creator: _creator, room_version: _version, ...chosen } = createContent
  return {
    ...chosen,
    room_version: rules.id,
    ...(rules.creatorIsSender ? undefined : { creator: context.requester.userId }),
    // The room id is the hash of the create event: two rooms made in one millisecond must not be one.
    ...(rules.roomIdIsCreateHash ? { nonce: randomText(context) } : undefined),
  }
}

function randomRoomId(context: UserRequest): RoomId {
  // The cast is sound: base64url and the name of this server form a room id.
  return `!${randomText(context)}:${context.config.serverName}` as RoomId
}

function randomText(context: UserRequest): string {
  return Buffer.from(context.random.bytes(opaqueBytes)).toString('base64url')
}

function idOf(rules: RoomVersionRules, fields: Parameters<typeof buildCreateEvent>[1]): RoomId {
  try {
    return buildCreateEvent(rules, fields).roomId
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
    throw new MatrixError('M_BAD_JSON', `The creation content is not valid: ${error.message}`, {
      cause: error,
    })
  }
}
