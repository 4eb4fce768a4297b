/**
 * GET /_matrix/client/v3/register/available
 * https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3registeravailable
 */

import { MatrixError } from '#protocol/errors.ts'
import { readAccount } from '#storage/users/accounts.ts'
import { defineEndpoint } from '../../http/endpoint.ts'
import { requiredParam } from '../../http/query.ts'
import { newUserId } from './user-name.ts'

export const endpoint = defineEndpoint({
  method: 'GET',
  path: ['/_matrix/client/v3/register/available', '/_matrix/client/r0/register/available'],
  auth: 'none',
  rateLimit: 'registration',
  body: { kind: 'none' },
  handle: async ({ config, query, reads }) => {
    const userId = newUserId(requiredParam(query, 'username'), config.serverName)
    if ((await readAccount(reads, userId)) !== undefined) {
      throw new MatrixError('M_USER_IN_USE', 'This user name is taken.')
    }
    return { available: true }
  },
})
