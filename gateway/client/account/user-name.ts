/** User names as people and clients write them. */

import { MatrixError } from '#protocol/errors.ts'
import type { ServerName } from '#protocol/ids/server-name.ts'
import { isUserId, makeUserId, serverOf, type UserId } from '#protocol/ids/user-id.ts'

/**
 * The local user whom a name means: a localpart or a whole user id, in whatever case. Undefined for users of other servers and for what
 * cannot be a user.
 */
export function localUserId(name: string, serverName: ServerName): UserId | undefined {
  if (!name.startsWith('@')) {
    const id = `@${name.toLowerCase()}:${serverName}`
    return isUserId(id) && !name.includes(':') ? id : undefined
  }
  if (!isUserId(name) || serverOf(name) !== serverName) return undefined
  const lower = `@${name.slice(1, name.indexOf(':')).toLowerCase()}:${serverName}`
  return isUserId(lower) ? lower : undefined
}

/** The user id of somebody who wants to register. Throws M_INVALID_USERNAME. Capitals become small letters. */
export function newUserId(name: string, serverName: ServerName): UserId {
  const userId = makeUserId(name.toLowerCase(), serverName)
  if (userId.startsWith('@_')) {
    throw new MatrixError('M_INVALID_USERNAME', 'User names that begin with an underscore are reserved.')
  }
  return userId
}
