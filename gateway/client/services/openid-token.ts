/**
 * POST /_matrix/client/v3/user/{userId}/openid/request_token
 * https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3useruseridopenidrequest_token
 */

import { anyJsonObject } from '../../http/body.ts'
import { hashToken } from '../../http/auth.ts'
import { defineEndpoint } from '../../http/endpoint.ts'
import { randomToken } from '../account/new-session.ts'
import { checkOwnUser } from '../own-user.ts'

/** Seconds for which an OpenID token is good. */
const validSeconds = 3600

export const endpoint = defineEndpoint({
  method: 'POST',
  path: [
    '/_matrix/client/v3/user/:userId/openid/request_token',
    '/_matrix/client/r0/user/:userId/openid/request_token',
  ],
  auth: 'user',
  rateLimit: 'write',
  body: { kind: 'json', optional: true, schema: anyJsonObject },
  handle: async (context) => {
    checkOwnUser(context)
    const { ask, clock, config, random, requester, traceId } = context
    const token = randomToken(random)
    const request = { tokenHash: hashToken(token), expiresAt: clock.now() + validSeconds * 1000 }
    await ask.ask('user', requester.userId, 'addOpenIdToken', request, { traceId })
    return {
      access_token: token,
      token_type: 'Bearer',
      matrix_server_name: config.serverName,
      expires_in: validSeconds,
    }
  },
})
