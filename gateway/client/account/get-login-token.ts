/**
 * POST /_matrix/client/v1/login/get_token
 * https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv1loginget_token
 */

import { z } from 'zod'
import { hashToken } from '../../http/auth.ts'
import { defineEndpoint } from '../../http/endpoint.ts'
import { interact } from '../uia.ts'
import { randomToken } from './new-session.ts'
import { passwordDemand } from './password-demand.ts'

/** Milliseconds for which a login token is good. */
const loginTokenMs = 120_000

export const endpoint = defineEndpoint({
  method: 'POST',
  path: '/_matrix/client/v1/login/get_token',
  auth: 'user',
  rateLimit: 'write',
  body: {
    kind: 'json',
    optional: true,
    schema: z.looseObject({ auth: z.looseObject({}).optional() }),
  },
  handle: async (context) => {
    const { ask, clock, random, requester, traceId } = context
    const demand = passwordDemand('POST /_matrix/client/v1/login/get_token', requester)
    const unfinished = await interact(context, demand)
    if (unfinished !== undefined) return unfinished
    const token = randomToken(random)
    const request = {
      tokenHash: hashToken(token),
      expiresAt: clock.now() + loginTokenMs,
      deviceId: requester.deviceId,
    }
    await ask.ask('user', requester.userId, 'addLoginToken', request, { traceId })
    return { login_token: token, expires_in_ms: loginTokenMs }
  },
})
