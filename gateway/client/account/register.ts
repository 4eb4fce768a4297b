/**
 * POST /_matrix/client/v3/register
 * https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3register
 */

import { z } from 'zod'
import { MatrixError } from '#protocol/errors.ts'
import type { UserId } from '#protocol/ids/user-id.ts'
import { parseDeviceId } from '#protocol/ids/device-id.ts'
import { readAccount } from '#storage/users/accounts.ts'
import { choiceParam } from '../../http/query.ts'
import { defineEndpoint, type Services } from '../../http/endpoint.ts'
import { plainText } from '../plain-text.ts'
import { interact } from '../uia.ts'
import { makeSession } from './new-session.ts'
import { checkPassword, registrationFlows, registrationParams } from './registration.ts'
import { newUserId } from './user-name.ts'

const schema = z.looseObject({
  username: z.string().optional(),
  password: z.string().optional(),
  device_id: z.string().optional(),
  initial_device_display_name: plainText(512).optional(),
  inhibit_login: z.boolean().optional(),
  refresh_token: z.boolean().optional(),
  auth: z.looseObject({}).optional(),
})

export const endpoint = defineEndpoint({
  method: 'POST',
  path: ['/_matrix/client/v3/register', '/_matrix/client/r0/register'],
  auth: 'none',
  rateLimit: 'registration',
  body: { kind: 'json', schema },
  handle: async (context) => {
    const { ask, body, config, passwords, query, traceId } = context
    if (choiceParam(query, 'kind', ['user', 'guest']) === 'guest') {
      throw new MatrixError('M_GUEST_ACCESS_FORBIDDEN', 'This server has no guest accounts.')
    }
    const flows = registrationFlows(config)
    const wanted = body.username === undefined ? undefined : newUserId(body.username, config.serverName)
    if (wanted !== undefined) await checkFree(context, wanted)
    if (body.device_id !== undefined) parseDeviceId(body.device_id)
    if (body.auth !== undefined && body.password === undefined) {
      throw new MatrixError('M_MISSING_PARAM', 'The field "password" is missing.')
    }
    if (body.password !== undefined) checkPassword(config, body.password)
    const operation = 'POST /_matrix/client/v3/register'
    const unfinished = await interact(context, { operation, flows, params: registrationParams(config) })
    if (unfinished !== undefined) return unfinished
    const userId = wanted ?? newUserId(randomName(context), config.serverName)
    const passwordHash = await passwords.hash(body.password ?? '')
    const request = { passwordHash, admin: false }
    if (body.inhibit_login === true) {
      await ask.ask('user', userId, 'register', request, { traceId })
      return { user_id: userId }
    }
    const made = makeSession(context, {
      deviceId: body.device_id,
      displayName: body.initial_device_display_name,
      refresh: body.refresh_token === true,
    })
    await ask.ask('user', userId, 'register', { ...request, session: made.session }, { traceId })
    return { user_id: userId, ...made.reply }
  },
})

/** Throws M_USER_IN_USE: also for accounts that are closed, whose names are never given again. */
async function checkFree({ reads }: Pick<Services, 'reads'>, userId: UserId): Promise<void> {
  if ((await readAccount(reads, userId)) === undefined) return
  throw new MatrixError('M_USER_IN_USE', 'This user name is taken.')
}

const nameBytes = 6

/** A name for somebody who does not choose one. */
function randomName({ random }: Pick<Services, 'random'>): string {
  return `u${Buffer.from(random.bytes(nameBytes)).toString('hex')}`
}
