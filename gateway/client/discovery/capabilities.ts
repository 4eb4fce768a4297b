/**
 * GET /_matrix/client/v3/capabilities
 * https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3capabilities
 */

import { roomVersions } from '#protocol/versions/table.ts'
import { defineEndpoint } from '../../http/endpoint.ts'

/** Rooms can be made of every version that is known. */
const available = Object.fromEntries(
  [...roomVersions.values()].map((rules) => [rules.id, rules.stable ? 'stable' : 'unstable']),
)

export const endpoint = defineEndpoint({
  method: 'GET',
  path: ['/_matrix/client/v3/capabilities', '/_matrix/client/r0/capabilities'],
  auth: 'user',
  rateLimit: 'read',
  body: { kind: 'none' },
  handle: ({ config }) => ({
    capabilities: {
      'm.change_password': { enabled: true },
      'm.room_versions': { default: config.defaultRoomVersion, available },
      'm.set_displayname': { enabled: true },
      'm.set_avatar_url': { enabled: true },
      'm.3pid_changes': { enabled: false },
      'm.get_login_token': { enabled: true },
      'm.profile_fields': { enabled: true },
    },
  }),
})
