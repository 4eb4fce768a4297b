/**
 * POST /_troupe/users: makes an account, for the command `user create`. Whoever asks shows the operator token, which lies in the
 * database and nowhere else: he who can read it there owns the server anyway.
 */

import { createHash, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import { MatrixError } from '#protocol/errors.ts'
import { makeUserId } from '#protocol/ids/user-id.ts'
import { type AnyEndpoint, defineEndpoint } from '../http/endpoint.ts'

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

/** Compares hashes, so that neither time nor length tells anything of the token. */
function checkOperator(header: string | undefined, operatorToken: string): void {
  const given = /^Bearer (.+)$/.exec(header ?? '')?.[1]
  if (given === undefined) throw new MatrixError('M_MISSING_TOKEN', 'This request needs the operator token.')
  if (!timingSafeEqual(sha256(given), sha256(operatorToken))) {
    throw new MatrixError('M_UNKNOWN_TOKEN', 'This is not the operator token.')
  }
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
