/**
 * POST /_matrix/client/v3/logout/all
 * https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3logoutall
 */

import { defineEndpoint } from '../../http/endpoint.ts'
import { endSessions } from './end-sessions.ts'

export const endpoint = defineEndpoint({
  method: 'POST',
  path: ['/_matrix/client/v3/logout/all', '/_matrix/client/r0/logout/all'],
  auth: 'user',
  rateLimit: 'none',
  body: { kind: 'none' },
  handle: async (context) => {
    await endSessions(context, 'all')
    return {}
  },
})
