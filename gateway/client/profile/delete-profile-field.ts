/**
 * DELETE /_matrix/client/v3/profile/{userId}/{keyName}
 * https://spec.matrix.org/v1.19/client-server-api/#delete_matrixclientv3profileuseridkeyname
 */

import { defineEndpoint } from '../../http/endpoint.ts'
import { spread } from '../account/spread.ts'
import { checkOwnUser } from '../own-user.ts'
import { profileKey } from './profile-key.ts'

export const endpoint = defineEndpoint({
  method: 'DELETE',
  path: ['/_matrix/client/v3/profile/:userId/:keyName', '/_matrix/client/r0/profile/:userId/:keyName'],
  auth: 'user',
  rateLimit: 'write',
  body: { kind: 'none' },
  handle: async (context) => {
    checkOwnUser(context)
    const { ask, params, requester, traceId } = context
    await ask.ask('user', requester.userId, 'putProfile', { key: profileKey(params) }, { traceId })
    await spread(context, requester.userId, traceId)
    return {}
  },
})
