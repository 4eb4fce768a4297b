/**
 * GET /_matrix/client/v3/account/whoami
 * https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3accountwhoami
 */

import { defineEndpoint } from '../../http/endpoint.ts'

export const endpoint = defineEndpoint({
  method: 'GET',
  path: ['/_matrix/client/v3/account/whoami', '/_matrix/client/r0/account/whoami'],
  auth: 'user',
  rateLimit: 'read',
  body: { kind: 'none' },
  handle: ({ requester }) => ({
    user_id: requester.userId,
    device_id: requester.deviceId,
    is_guest: false,
  }),
})
