/**
 * POST /_matrix/client/v3/keys/claim
 * https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3keysclaim
 */

import { z } from 'zod'
import { MatrixError } from '#protocol/errors.ts'
import { isUserId, serverOf } from '#protocol/ids/user-id.ts'
import type { JsonObject } from '#protocol/json/types.ts'
import { defineEndpoint, type RequestContext } from '../../http/endpoint.ts'
import { randomToken } from '../account/new-session.ts'
import { plainText } from '../plain-text.ts'
import { remoteFailures } from './remote-failures.ts'

/** The most users in one request. */
const maxUsers = 2000

const maxAlgorithmLength = 255

export const endpoint = defineEndpoint({
  method: 'POST',
  path: ['/_matrix/client/v3/keys/claim', '/_matrix/client/r0/keys/claim'],
  auth: 'user',
  rateLimit: 'write',
  body: {
    kind: 'json',
    schema: z.looseObject({
      one_time_keys: z.record(z.string(), z.record(z.string(), plainText(maxAlgorithmLength))),
      timeout: z.number().optional(),
    }),
  },
  handle: async (context) => {
    const { body, config } = context
    const claims = Object.entries(body.one_time_keys)
    if (claims.length > maxUsers) {
      throw new MatrixError('M_TOO_LARGE', `Claim keys of at most ${maxUsers} users at once.`, {
        status: 400,
      })
    }
    const local = claims.filter(([userId]) => isUserId(userId) && serverOf(userId) === config.serverName)
    const keys = await Promise.all(local.map(([userId, devices]) => claimOf(context, userId, devices)))
    return {
      one_time_keys: Object.fromEntries(keys.filter(([, devices]) => Object.keys(devices).length > 0)),
      failures: remoteFailures(claims.map(([userId]) => userId).filter(isUserId), config.serverName),
    }
  },
})

/** Keys of one user's devices; none where there is no such user. */
async function claimOf(
  { ask, random, traceId }: Pick<RequestContext<unknown, unknown>, 'ask' | 'random' | 'traceId'>,
  userId: string,
  claims: Readonly<Record<string, string>>,
): Promise<[string, JsonObject]> {
  try {
    const request = { claims, claimKey: randomToken(random) }
    const { keys } = await ask.ask('user', userId, 'claimKeys', request, { traceId })
    return [userId, keys]
  } catch (error) {
    if (error instanceof MatrixError && error.status < 429) return [userId, {}]
    throw error
  }
}
