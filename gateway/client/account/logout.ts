/**
 * POST /_matrix/client/v3/logout
 * https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3logout
 */

import { defineEndpoint } from '../../http/endpoint.ts'
import { endSessions } from './end-sessions.ts'

export const endpoint = defineEndpoint({
  method: 'POST',
  path: ['/_matrix/client/v3/logout', '/_matrix/client/r0/logout'],
  auth: 'user',
  rateLimit: 'none',
  body: { kind: 'none' },
  handle: async (context) => {
    await endSessions(context, [context.requester.deviceId])
    return {}
  },
})
