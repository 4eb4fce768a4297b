/**
 * GET and POST /_synapse/admin/v1/register: programs that know the shared secret register users, as they do with Synapse.
 * Without a configured secret the request does not exist (M_UNRECOGNIZED).
 */

import { createHmac, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import { MatrixError } from '#protocol/errors.ts'
import { defineEndpoint, type AnyEndpoint } from '../../http/endpoint.ts'
import type { Config } from '../../config/schema.ts'
import { makeSession } from './new-session.ts'
import { checkPassword } from './registration.ts'
import { Nonces } from './synapse-nonce.ts'
import { newUserId } from './user-name.ts'

const path = '/_synapse/admin/v1/register'

const schema = z.looseObject({
  nonce: z.string(),
  username: z.string(),
  password: z.string(),
  admin: z.boolean().optional(),
  displayname: z.string().max(256).optional(),
  mac: z.string(),
})

/** Both requests. They share the memory of used nonces. */
export function synapseRegisterEndpoints(): readonly AnyEndpoint[] {
  const nonces = new Nonces()
  return [nonceEndpoint(nonces), registerEndpoint(nonces)]
}

function nonceEndpoint(nonces: Nonces): AnyEndpoint {
  return defineEndpoint({
    method: 'GET',
    path,
    auth: 'none',
    rateLimit: 'registration',
    body: { kind: 'none' },
    handle: ({ clock, config, random }) => ({ nonce: nonces.make(secretOf(config), { clock, random }) }),
  })
}

function registerEndpoint(nonces: Nonces): AnyEndpoint {
  return defineEndpoint({
    method: 'POST',
    path,
    auth: 'none',
    rateLimit: 'registration',
    body: { kind: 'json', schema },
    handle: async (context) => {
      const { ask, body, clock, config, passwords, traceId } = context
      const secret = secretOf(config)
      checkMac(secret, body)
      if (!nonces.take(secret, body.nonce, clock)) {
        throw new MatrixError('M_UNKNOWN', 'The nonce is unknown, has been used, or is too old.', {
          status: 400,
        })
      }
      const userId = newUserId(body.username, config.serverName)
      checkPassword(config, body.password)
      const made = makeSession(context, { refresh: false })
      const request = {
        passwordHash: await passwords.hash(body.password),
        admin: body.admin === true,
        session: made.session,
        ...(body.displayname === undefined ? {} : { displayName: body.displayname }),
      }
      await ask.ask('user', userId, 'register', request, { traceId })
      return { user_id: userId, home_server: config.serverName, ...made.reply }
    },
  })
}

function secretOf(config: Config): string {
  if (config.registrationSharedSecret !== undefined) return config.registrationSharedSecret
  throw new MatrixError('M_UNRECOGNIZED', 'This request is not known here.')
}

/** The form that programs for Synapse use: HMAC-SHA1 over the fields, separated by NUL. Throws M_FORBIDDEN. */
function checkMac(secret: string, body: z.infer<typeof schema>): void {
  const { nonce, username, password, admin, mac } = body
  const text = [nonce, username, password, admin === true ? 'admin' : 'notadmin'].join('\0')
  const expected = createHmac('sha1', secret).update(text, 'utf8').digest()
  const given = Buffer.from(mac, 'hex')
  if (given.length === expected.length && timingSafeEqual(given, expected)) return
  throw new MatrixError('M_FORBIDDEN', 'The MAC of the request is wrong.')
}
