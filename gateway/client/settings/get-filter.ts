/**
 * GET /_matrix/client/v3/user/{userId}/filter/{filterId}
 * https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3useruseridfilterfilterid
 */

import { MatrixError } from '#protocol/errors.ts'
import { readFilter } from '#storage/users/filters.ts'
import { Answer, defineEndpoint } from '../../http/endpoint.ts'
import { checkOwnUser } from '../own-user.ts'
import { isPlainText } from '../plain-text.ts'

export const endpoint = defineEndpoint({
  method: 'GET',
  path: [
    '/_matrix/client/v3/user/:userId/filter/:filterId',
    '/_matrix/client/r0/user/:userId/filter/:filterId',
  ],
  auth: 'user',
  rateLimit: 'read',
  body: { kind: 'none' },
  handle: async (context) => {
    checkOwnUser(context)
    const { params, reads, requester } = context
    const filterId = params['filterId'] ?? ''
    const json = isPlainText(filterId) ? await readFilter(reads, requester.userId, filterId) : undefined
    if (json === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no such filter.')
    return Answer.json(json)
  },
})
