/**
 * GET /_matrix/client/v3/voip/turnServer
 * https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3voipturnserver
 */

import { createHmac } from 'node:crypto'
import { defineEndpoint } from '../../http/endpoint.ts'

export const endpoint = defineEndpoint({
  method: 'GET',
  path: ['/_matrix/client/v3/voip/turnServer', '/_matrix/client/r0/voip/turnServer'],
  auth: 'user',
  rateLimit: 'read',
  body: { kind: 'none' },
  handle: ({ clock, config, requester }) => {
    const { turnSecret, turnTtlSeconds, turnUris } = config
    if (turnUris.length === 0 || turnSecret === undefined) return {}
    // The credentials that TURN servers compute themselves from the shared secret: the user name says until when they are good.
    const username = `${Math.floor(clock.now() / 1000) + turnTtlSeconds}:${requester.userId}`
    const password = createHmac('sha1', turnSecret).update(username).digest('base64')
    return { username, password, uris: [...turnUris], ttl: turnTtlSeconds }
  },
})
