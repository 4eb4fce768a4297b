import { isCompliantUserId, isUserId, serverOf, type UserId } from '../ids/user-id.ts'
import type { ServerName } from '../ids/server-name.ts'
import { stringField, type JsonObject } from '../json/types.ts'

/** Between which servers an ephemeral message goes. */
export interface EduRoute {
  /** The server that sent it, by the signature of its request. */
  readonly origin: ServerName
  /** This server. */
  readonly destination: ServerName
}

/**
 * The user of a server under this key, if there is one whose id may be passed on outside of an event. "Device list updates from non-compliant
 * user IDs would be dropped by the receiving server", appendices v1.19, "Historical User IDs".
 */
export function userOf(server: ServerName, object: JsonObject, key: string): UserId | undefined {
  const user = stringField(object, key)
  return user !== undefined && isUserOf(server, user) ? user : undefined
}

/** True for the id of a user of a server that may be passed on outside of an event. */
export function isUserOf(server: ServerName, user: string): user is UserId {
  return isUserId(user) && serverOf(user) === server && isCompliantUserId(user)
}
