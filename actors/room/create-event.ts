import { buildEvent, type BuiltEvent } from '#protocol/events/build.ts'
import { roomIdOfCreate } from '#protocol/events/hash.ts'
import type { RoomId } from '#protocol/ids/room-id.ts'
import type { UserId } from '#protocol/ids/user-id.ts'
import type { JsonObject } from '#protocol/json/types.ts'
import type { RoomVersionRules } from '#protocol/versions/rules.ts'
import { createEventId, explicitIdOf } from './reference-hashes.ts'

/** What a create event is made of. Whoever asks for a room and the room's actor build the same event from the same fields. */
export interface CreateEventFields {
  readonly sender: UserId
  readonly content: JsonObject
  /** Milliseconds since the epoch. */
  readonly originServerTs: number
  /** For room versions before 12, where the creator's server chooses it. */
  readonly roomId: RoomId | undefined
}

/** The create event of a room, and the room's id. Throws M_TOO_LARGE, JsonError. */
export function buildCreateEvent(
  rules: RoomVersionRules,
  fields: CreateEventFields,
): { built: BuiltEvent; roomId: RoomId } {
  const chosenId = createEventId(rules, fields.roomId)
  const built = buildEvent(rules, {
    type: 'm.room.create',
    stateKey: '',
    sender: fields.sender,
    content: fields.content,
    originServerTs: fields.originServerTs,
    prevEvents: [],
    authEvents: [],
    depth: 1,
    roomId: rules.roomIdIsCreateHash ? undefined : fields.roomId,
    explicitId: chosenId && explicitIdOf(chosenId, []),
  })
  return {
    built,
    roomId:
      fields.roomId === undefined || rules.roomIdIsCreateHash ? roomIdOfCreate(built.eventId) : fields.roomId,
  }
}
