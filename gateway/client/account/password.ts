/**
 * POST /_matrix/client/v3/account/password
 * https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3accountpassword
 */

import { z } from 'zod'
import { defineEndpoint } from '../../http/endpoint.ts'
import { interact } from '../uia.ts'
import { passwordDemand } from './password-demand.ts'
import { checkPassword } from './registration.ts'
import { spread } from './spread.ts'

export const endpoint = defineEndpoint({
  method: 'POST',
  path: ['/_matrix/client/v3/account/password', '/_matrix/client/r0/account/password'],
  auth: 'user',
  rateLimit: 'write',
  body: {
    kind: 'json',
    schema: z.looseObject({
      new_password: z.string(),
      logout_devices: z.boolean().optional(),
      auth: z.looseObject({}).optional(),
    }),
  },
  handle: async (context) => {
    const { ask, body, config, passwords, requester, traceId } = context
    checkPassword(config, body.new_password)
    const demand = passwordDemand('POST /_matrix/client/v3/account/password', requester)
    const unfinished = await interact(context, demand)
    if (unfinished !== undefined) return unfinished
    const request = {
      passwordHash: await passwords.hash(body.new_password),
      logoutDevices: body.logout_devices !== false,
      keepDeviceId: requester.deviceId,
    }
    await ask.ask('user', requester.userId, 'setPassword', request, { traceId })
    context.endSessions(requester.userId, 'all')
    await spread(context, requester.userId, traceId)
    return {}
  },
})
