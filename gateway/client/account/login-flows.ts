/**
 * GET /_matrix/client/v3/login
 * https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3login
 */

import { defineEndpoint } from '../../http/endpoint.ts'

export const endpoint = defineEndpoint({
  method: 'GET',
  path: ['/_matrix/client/v3/login', '/_matrix/client/r0/login'],
  auth: 'none',
  rateLimit: 'none',
  body: { kind: 'none' },
  handle: () => ({
    flows: [{ type: 'm.login.password' }, { type: 'm.login.token', get_login_token: true }],
  }),
})
