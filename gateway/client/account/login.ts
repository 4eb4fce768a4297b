/**
 * POST /_matrix/client/v3/login
 * https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3login
 */

import { z } from 'zod'
import { MatrixError } from '#protocol/errors.ts'
import type { UserId } from '#protocol/ids/user-id.ts'
import type { JsonObject } from '#protocol/json/types.ts'
import { readAccount } from '#storage/users/accounts.ts'
import { readLoginToken } from '#storage/users/tokens.ts'
import { hashToken } from '../../http/auth.ts'
import { defineEndpoint, type Requester, type RequestContext } from '../../http/endpoint.ts'
import { plainText } from '../plain-text.ts'
import { userNamedBy } from '../uia.ts'
import { makeSession, type MadeSession } from './new-session.ts'
import { localUserId } from './user-name.ts'

const schema = z.looseObject({
  type: z.string(),
  identifier: z.looseObject({ type: z.string() }).optional(),
  user: z.string().optional(),
  password: z.string().optional(),
  token: z.string().optional(),
  device_id: z.string().optional(),
  initial_device_display_name: plainText(512).optional(),
  refresh_token: z.boolean().optional(),
})

type LoginBody = z.infer<typeof schema>
type Context = RequestContext<LoginBody, Requester | undefined>

export const endpoint = defineEndpoint({
  method: 'POST',
  path: ['/_matrix/client/v3/login', '/_matrix/client/r0/login'],
  auth: 'none',
  rateLimit: 'login',
  body: { kind: 'json', schema },
  handle: async (context) => {
    const { body, config } = context
    const made = makeSession(context, {
      deviceId: body.device_id,
      displayName: body.initial_device_display_name,
      refresh: body.refresh_token === true,
    })
    const userId = await logIn(context, made)
    // A device that was logged in before has the new session alone.
    context.endSessions(userId, [made.session.deviceId])
    const answer = { user_id: userId, home_server: config.serverName, ...made.reply }
    if (config.publicUrl === undefined) return answer
    return { ...answer, well_known: { 'm.homeserver': { base_url: String(config.publicUrl) } } }
  },
})

function logIn(context: Context, made: MadeSession): Promise<UserId> {
  switch (context.body.type) {
    case 'm.login.password':
      return logInByPassword(context, made)
    case 'm.login.token':
      return logInByToken(context, made)
    default:
      throw new MatrixError('M_UNKNOWN', 'This type of login is not supported here.', { status: 400 })
  }
}

/** Takes as long for a user that does not exist as for a wrong password. */
async function logInByPassword(context: Context, { session }: MadeSession): Promise<UserId> {
  const { ask, body, config, limits, passwords, reads, traceId } = context
  // The cast is sound: the body was parsed from JSON.
  const name = userNamedBy(body as JsonObject)
  if (name === undefined) {
    throw new MatrixError('M_UNKNOWN', 'Users are known here by an identifier of type m.id.user only.', {
      status: 400,
    })
  }
  if (body.password === undefined)
    throw new MatrixError('M_MISSING_PARAM', 'The field "password" is missing.')
  const userId = localUserId(name, config.serverName)
  limits.take('login', `account ${userId ?? ''}`)
  const account = userId === undefined ? undefined : await readAccount(reads, userId)
  const passwordHash = account?.passwordHash
  const right = await passwords.verify(body.password, passwordHash)
  if (account?.deactivatedAt !== undefined) {
    throw new MatrixError('M_USER_DEACTIVATED', 'This account has been deactivated.')
  }
  if (userId === undefined || passwordHash === undefined || !right) {
    throw new MatrixError('M_FORBIDDEN', 'The user name or the password is wrong.')
  }
  await ask.ask('user', userId, 'login', { session, passwordHash }, { traceId })
  return userId
}

async function logInByToken(context: Context, { session }: MadeSession): Promise<UserId> {
  const { ask, body, clock, reads, traceId } = context
  if (body.token === undefined) throw new MatrixError('M_MISSING_PARAM', 'The field "token" is missing.')
  const loginTokenHash = hashToken(body.token)
  const userId = await readLoginToken(reads, loginTokenHash, clock.now())
  if (userId === undefined) {
    throw new MatrixError('M_FORBIDDEN', 'The login token is unknown, has been used, or is too old.')
  }
  await ask.ask('user', userId, 'loginByToken', { loginTokenHash, session }, { traceId })
  return userId
}
