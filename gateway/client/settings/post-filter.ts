/**
 * POST /_matrix/client/v3/user/{userId}/filter
 * https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3useruseridfilter
 */

import { parseFilter } from '#protocol/visibility/filter.ts'
import { anyJsonObject } from '../../http/body.ts'
import { defineEndpoint } from '../../http/endpoint.ts'
import { checkOwnUser } from '../own-user.ts'

export const endpoint = defineEndpoint({
  method: 'POST',
  path: ['/_matrix/client/v3/user/:userId/filter', '/_matrix/client/r0/user/:userId/filter'],
  auth: 'user',
  rateLimit: 'write',
  body: { kind: 'json', maxBytes: 65_536, schema: anyJsonObject },
  handle: async (context) => {
    checkOwnUser(context)
    const { ask, body, requester, traceId } = context
    // Whether it is a filter is found out now and not when a sync names it.
    parseFilter(body)
    const request = { json: JSON.stringify(body) }
    const { filterId } = await ask.ask('user', requester.userId, 'addFilter', request, { traceId })
    return { filter_id: filterId }
  },
})
