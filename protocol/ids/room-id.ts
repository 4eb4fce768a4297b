import { MatrixError } from '../errors.ts'
import type { Brand } from './brand.ts'
import { isIdText } from './limits.ts'
import { isServerName, type ServerName } from './server-name.ts'

/**
 * A room id: `!opaque:server`, or from room version 12 on `!` and the 43 characters of the create event's id.
 * Appendices v1.19, "Room IDs".
 */
export type RoomId = Brand<'RoomId'>

const hashRoomId = /^![A-Za-z0-9_-]{43}$/

/** True for a room id of either form, at most 255 bytes. */
export function isRoomId(text: string): text is RoomId {
  if (hashRoomId.test(text)) return true
  const colon = text.indexOf(':')
  return text.startsWith('!') && colon > 1 && isIdText(text) && isServerName(text.slice(colon + 1))
}

/** The string as a room id. Throws M_INVALID_PARAM if it is none. */
export function parseRoomId(text: string): RoomId {
  if (!isRoomId(text)) throw new MatrixError('M_INVALID_PARAM', 'Not a valid room id.')
  return text
}

/** True for a room id without a domain, as room version 12 has them. */
export function isHashRoomId(room: RoomId): boolean {
  return hashRoomId.test(room)
}

/** The server named in the room id, or undefined for the form without a domain. It need not be in the room any more. */
export function serverOfRoomId(room: RoomId): ServerName | undefined {
  const colon = room.indexOf(':')
  // The cast is sound: what follows a RoomId's colon is a checked server name.
  return colon === -1 ? undefined : (room.slice(colon + 1) as ServerName)
}
