/**
 * GET /_matrix/client/v3/profile/{userId}
 * https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3profileuserid
 */

import { defineEndpoint } from '../../http/endpoint.ts'
import { profileOf } from './profile-key.ts'

export const endpoint = defineEndpoint({
  method: 'GET',
  path: ['/_matrix/client/v3/profile/:userId', '/_matrix/client/r0/profile/:userId'],
  auth: 'optional',
  rateLimit: 'read',
  body: { kind: 'none' },
  handle: (context) => profileOf(context, context.params),
})
