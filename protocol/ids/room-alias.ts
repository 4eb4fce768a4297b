import { MatrixError } from '../errors.ts'
import type { Brand } from './brand.ts'
import { isIdText } from './limits.ts'
import { isServerName, type ServerName } from './server-name.ts'

/** A room alias `#localpart:server`. Appendices v1.19, "Room Aliases". */
export type RoomAlias = Brand<'RoomAlias'>

/** True for a room alias with a non-empty localpart, at most 255 bytes. */
export function isRoomAlias(text: string): text is RoomAlias {
  const colon = text.indexOf(':')
  return text.startsWith('#') && colon > 1 && isIdText(text) && isServerName(text.slice(colon + 1))
}

/** The string as a room alias. Throws M_INVALID_PARAM if it is none. */
export function parseRoomAlias(text: string): RoomAlias {
  if (!isRoomAlias(text)) throw new MatrixError('M_INVALID_PARAM', 'Not a valid room alias.')
  return text
}

/** The part between `#` and the first colon. */
export function localpartOfAlias(alias: RoomAlias): string {
  return alias.slice(1, alias.indexOf(':'))
}

/** The server that keeps the alias. */
export function serverOfAlias(alias: RoomAlias): ServerName {
  // The cast is sound: a RoomAlias ends in a checked server name.
  return alias.slice(alias.indexOf(':') + 1) as ServerName
}
