/** Servers whose users' keys cannot be had. */

import type { ServerName } from '#protocol/ids/server-name.ts'
import { serverOf, type UserId } from '#protocol/ids/user-id.ts'
import type { JsonObject } from '#protocol/json/types.ts'

/** One entry for each other server: this one does not federate. */
export function remoteFailures(users: readonly UserId[], own: ServerName): JsonObject {
  const servers = new Set(users.map(serverOf).filter((server) => server !== own))
  const why = { errcode: 'M_UNKNOWN', error: 'This server does not reach other servers.' }
  return Object.fromEntries([...servers].map((server) => [server, why]))
}
