/**
 * PUT /_matrix/client/v3/profile/{userId}/{keyName}
 * https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3profileuseridkeyname
 */

import { anyJsonObject } from '../../http/body.ts'
import { defineEndpoint } from '../../http/endpoint.ts'
import { spread } from '../account/spread.ts'
import { checkOwnUser } from '../own-user.ts'
import { profileKey, profileValue } from './profile-key.ts'

export const endpoint = defineEndpoint({
  method: 'PUT',
  path: ['/_matrix/client/v3/profile/:userId/:keyName', '/_matrix/client/r0/profile/:userId/:keyName'],
  auth: 'user',
  rateLimit: 'write',
  // The display name and the avatar end in events, where numbers are those of canonical JSON; other fields may.
  body: { kind: 'json', maxBytes: 131_072, grammar: 'event', schema: anyJsonObject },
  handle: async (context) => {
    checkOwnUser(context)
    const { ask, body, params, requester, traceId } = context
    const key = profileKey(params)
    const value = profileValue(body, key)
    const request = value === undefined ? { key } : { key, value }
    await ask.ask('user', requester.userId, 'putProfile', request, { traceId })
    await spread(context, requester.userId, traceId)
    return {}
  },
})
