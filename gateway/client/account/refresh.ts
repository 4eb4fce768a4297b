/**
 * POST /_matrix/client/v3/refresh
 * https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3refresh
 */

import { z } from 'zod'
import { MatrixError } from '#protocol/errors.ts'
import { readRefreshToken } from '#storage/users/tokens.ts'
import { hashToken } from '../../http/auth.ts'
import { defineEndpoint } from '../../http/endpoint.ts'
import { accessTokenMs, randomToken } from './new-session.ts'

export const endpoint = defineEndpoint({
  method: 'POST',
  path: ['/_matrix/client/v3/refresh', '/_matrix/client/v1/refresh'],
  auth: 'none',
  rateLimit: 'login',
  body: { kind: 'json', schema: z.looseObject({ refresh_token: z.string() }) },
  handle: async (context) => {
    const { ask, body, clock, random, reads, traceId } = context
    const refreshHash = hashToken(body.refresh_token)
    const held = await readRefreshToken(reads, refreshHash)
    if (held === undefined) {
      throw new MatrixError('M_UNKNOWN_TOKEN', 'The refresh token is unknown or has been used.', {
        extra: { soft_logout: false },
      })
    }
    const token = randomToken(random)
    const refreshToken = randomToken(random)
    const request = {
      refreshHash,
      tokenHash: hashToken(token),
      expiresAt: clock.now() + accessTokenMs,
      newRefreshHash: hashToken(refreshToken),
    }
    const { deviceId } = await ask.ask('user', held.userId, 'refresh', request, { traceId })
    context.endSessions(held.userId, [deviceId])
    return { access_token: token, refresh_token: refreshToken, expires_in_ms: accessTokenMs }
  },
})
