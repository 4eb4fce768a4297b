/**
 * POST /_matrix/client/v3/account/deactivate
 * https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3accountdeactivate
 */

import { z } from 'zod'
import { defineEndpoint } from '../../http/endpoint.ts'
import { interact } from '../uia.ts'
import { passwordDemand } from './password-demand.ts'
import { spread } from './spread.ts'

export const endpoint = defineEndpoint({
  method: 'POST',
  path: ['/_matrix/client/v3/account/deactivate', '/_matrix/client/r0/account/deactivate'],
  auth: 'user',
  rateLimit: 'write',
  body: {
    kind: 'json',
    optional: true,
    schema: z.looseObject({
      auth: z.looseObject({}).optional(),
      erase: z.boolean().optional(),
      id_server: z.string().optional(),
    }),
  },
  handle: async (context) => {
    const { ask, body, requester, traceId } = context
    const demand = passwordDemand('POST /_matrix/client/v3/account/deactivate', requester)
    const unfinished = await interact(context, demand)
    if (unfinished !== undefined) return unfinished
    const request = { erase: body.erase === true, askedFrom: requester.deviceId }
    await ask.ask('user', requester.userId, 'deactivate', request, { traceId })
    context.endSessions(requester.userId, 'all')
    await spread(context, requester.userId, traceId)
    // This server binds no third-party identifiers, so there is none to be unbound.
    return { id_server_unbind_result: 'no-support' }
  },
})
