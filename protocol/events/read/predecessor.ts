import { isRoomId, type RoomId } from '../../ids/room-id.ts'
import { objectField, stringField, type JsonObject } from '../../json/types.ts'

/**
 * The room that this one replaces, by the content of its `m.room.create` event, or undefined if it names none. Client-server API v1.19,
 * "Room Upgrades".
 */
export function predecessorOf(content: JsonObject): RoomId | undefined {
  const predecessor = objectField(content, 'predecessor')
  const roomId = predecessor && stringField(predecessor, 'room_id')
  return roomId !== undefined && isRoomId(roomId) ? roomId : undefined
}
