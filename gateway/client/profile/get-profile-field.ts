/**
 * GET /_matrix/client/v3/profile/{userId}/{keyName}
 * https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3profileuseridkeyname
 */

import { MatrixError } from '#protocol/errors.ts'
import { field } from '#protocol/json/types.ts'
import { defineEndpoint } from '../../http/endpoint.ts'
import { profileKey, profileOf } from './profile-key.ts'

export const endpoint = defineEndpoint({
  method: 'GET',
  path: ['/_matrix/client/v3/profile/:userId/:keyName', '/_matrix/client/r0/profile/:userId/:keyName'],
  auth: 'optional',
  rateLimit: 'read',
  body: { kind: 'none' },
  handle: async (context) => {
    const key = profileKey(context.params)
    const value = field(await profileOf(context, context.params), key)
    if (value === undefined) throw new MatrixError('M_NOT_FOUND', 'The profile has no such field.')
    return { [key]: value }
  },
})
