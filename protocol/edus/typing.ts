import { isRoomId, type RoomId } from '../ids/room-id.ts'
import type { UserId } from '../ids/user-id.ts'
import { field, stringField, type JsonObject } from '../json/types.ts'
import { userOf, type EduRoute } from './edu-route.ts'

/** Somebody has begun or ceased to type. Whether he is in the room is for the room to know. */
export interface Typing {
  readonly kind: 'typing'
  readonly roomId: RoomId
  readonly userId: UserId
  readonly isTyping: boolean
}

/**
 * The content of an `m.typing`. "Receiving servers should verify that the user is in the room, and is a user belonging to the sending
 * server." Server-server API v1.19, "Typing Notifications".
 */
export function readTyping(content: JsonObject, { origin }: EduRoute): Typing | undefined {
  const roomId = stringField(content, 'room_id')
  const userId = userOf(origin, content, 'user_id')
  const isTyping = field(content, 'typing')
  if (roomId === undefined || !isRoomId(roomId) || userId === undefined || typeof isTyping !== 'boolean')
    return undefined
  return { kind: 'typing', roomId, userId, isTyping }
}
