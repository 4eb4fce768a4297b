/** POST /_troupe/users: makes an account, for the command `user create`. Whoever asks shows the operator token. */

import { z } from 'zod'
import { MatrixError } from '#protocol/errors.ts'
import { makeUserId } from '#protocol/ids/user-id.ts'
import { type AnyEndpoint, defineEndpoint } from '../http/endpoint.ts'
import { checkOperator } from './operator-token.ts'

/** Where the command sends its request. */
export const createUserPath = '/_troupe/users'

/**
 * The endpoint. Answers `{user_id}`. Errors: M_MISSING_TOKEN and M_UNKNOWN_TOKEN (401), M_INVALID_USERNAME, M_WEAK_PASSWORD,
 * M_USER_IN_USE (400).
 */
export function createUserEndpoint(operatorToken: string): AnyEndpoint {
  return defineEndpoint({
    method: 'POST',
    path: createUserPath,
    auth: 'none',
    rateLimit: 'none',
    body: {
      kind: 'json',
      schema: z.object({ localpart: z.string(), password: z.string(), admin: z.boolean() }),
    },
    handle: async ({ ask, body, config, headers, passwords, traceId }) => {
      checkOperator(headers.authorization, operatorToken)
      const userId = makeUserId(body.localpart, config.serverName)
      if (body.password.length < config.passwordMinLength) {
        throw new MatrixError(
          'M_WEAK_PASSWORD',
          `A password has at least ${config.passwordMinLength} characters.`,
        )
      }
      const passwordHash = await passwords.hash(body.password)
      await ask.ask('user', userId, 'register', { passwordHash, admin: body.admin }, { traceId })
      return { user_id: userId }
    },
  })
}
