import { MatrixError } from '../errors.ts'
import type { Brand } from './brand.ts'
import { isIdText, maxIdBytes } from './limits.ts'
import { isServerName, type ServerName } from './server-name.ts'

/** A user id `@localpart:server`. Appendices v1.19, "User Identifiers". */
export type UserId = Brand<'UserId'>

const currentLocalpart = /^[a-z0-9._=/+-]+$/
const printableLocalpart = /^[\x21-\x7e]+$/

/**
 * True for a user id in the historical grammar, which servers must accept in events: any localpart without
 * colon and NUL, even an empty one, at most 255 bytes in all.
 */
export function isUserId(text: string): text is UserId {
  const colon = text.indexOf(':')
  return text.startsWith('@') && colon !== -1 && isIdText(text) && isServerName(text.slice(colon + 1))
}

/** The string as a user id of the historical grammar. Throws M_INVALID_PARAM if it is none. */
export function parseUserId(text: string): UserId {
  if (!isUserId(text)) throw new MatrixError('M_INVALID_PARAM', 'Not a valid user id.')
  return text
}

/** The user id of a local account. Throws M_INVALID_USERNAME if the localpart is not valid for new users. */
export function makeUserId(localpart: string, server: ServerName): UserId {
  const id = `@${localpart}:${server}`
  if (!isValidNewLocalpart(localpart) || !isUserId(id)) {
    throw new MatrixError(
      'M_INVALID_USERNAME',
      `User names consist of a-z, 0-9 and ._=/+-, and are at most ${maxIdBytes} bytes with the server's name.`,
    )
  }
  return id
}

/** The part between `@` and the first colon. */
export function localpart(user: UserId): string {
  return user.slice(1, user.indexOf(':'))
}

/** The server that the user belongs to. */
export function serverOf(user: UserId): ServerName {
  // The cast is sound: a UserId ends in a checked server name.
  return user.slice(user.indexOf(':') + 1) as ServerName
}

/** True for a localpart that a new user may have: not empty, only `a-z`, `0-9`, `.`, `_`, `=`, `-`, `/`, `+`. */
export function isValidNewLocalpart(text: string): boolean {
  return currentLocalpart.test(text) && text.length <= maxIdBytes
}

/**
 * True for a user id whose localpart is made of visible ASCII. Others must be accepted in events and should not
 * be passed on outside of them ("Historical User IDs").
 */
export function isCompliantUserId(user: UserId): boolean {
  return printableLocalpart.test(localpart(user))
}
