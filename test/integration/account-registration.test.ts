/** Registration by token with terms, by shared secret, and the limits on log-ins, through the real gateway and actors. */

import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { after, before, test } from 'node:test'
import type { JsonObject } from '#protocol/json/types.ts'
import { systemClock } from '#actors/runtime/clock.ts'
import { RateLimiter } from '#gateway/http/rate-limit.ts'
import { textOf } from '../support/account-people.ts'
import { startAccountServer, type AccountServer, type Reply } from '../support/account-server.ts'

const secret = 'a-shared-secret-of-some-length'
const many = { burst: 1000, perSecond: 1000 }
let server: AccountServer

before(async () => {
  server = await startAccountServer({
    environment: {
      TROUPE_REGISTRATION: 'token',
      TROUPE_REGISTRATION_TOKEN: 'open-sesame',
      TROUPE_REGISTRATION_SHARED_SECRET: secret,
      TROUPE_TERMS_URL: 'https://example.org/terms',
    },
    limits: new RateLimiter({
      clock: systemClock,
      limits: {
        message: many,
        join: many,
        invite: many,
        login: { burst: 8, perSecond: 0.0001 },
        registration: many,
        read: many,
        write: many,
        media: many,
      },
    }),
  })
})

after(() => server[Symbol.asyncDispose]())

const path = '/_matrix/client/v3/register'

function register(body: JsonObject): Promise<Reply> {
  return server.call('POST', path, { body })
}

test('a new user shows the token and accepts the terms, in any number of steps', async () => {
  const fields = { username: 'alice', password: 'correct horse' }
  const asked = await register(fields)
  assert.equal(asked.status, 401)
  assert.deepEqual(asked.body['flows'], [{ stages: ['m.login.registration_token', 'm.login.terms'] }])
  assert.deepEqual(Object.keys(asked.body['params'] ?? {}), ['m.login.terms'])
  const session = textOf(asked.body, 'session')
  const step = (auth: JsonObject): Promise<Reply> => register({ ...fields, auth: { ...auth, session } })
  const dummy = await step({ type: 'm.login.dummy' })
  assert.equal(dummy.status, 401)
  const wrong = await step({ type: 'm.login.registration_token', token: 'guess' })
  assert.deepEqual([wrong.status, wrong.body['errcode']], [401, 'M_UNAUTHORIZED'])
  const right = await step({ type: 'm.login.registration_token', token: 'open-sesame' })
  assert.deepEqual([right.status, right.body['completed']], [401, ['m.login.registration_token']])
  const done = await step({ type: 'm.login.terms' })
  assert.deepEqual([done.status, done.body['user_id']], [200, '@alice:test.local'])
})

test('a registration goes on in its session when its actor has forgotten it, and what was done is asked for again', async () => {
  const fields = { username: 'carol', password: 'correct horse' }
  const session = textOf((await register(fields)).body, 'session')
  const step = (auth: JsonObject): Promise<Reply> => register({ ...fields, auth: { ...auth, session } })
  const token = { type: 'm.login.registration_token', token: 'open-sesame' }
  assert.deepEqual((await step(token)).body['completed'], ['m.login.registration_token'])
  // Another host, which knows nothing of what the first one had in memory.
  server = await server.restart()
  const terms = await step({ type: 'm.login.terms' })
  assert.deepEqual(
    [terms.status, terms.body['errcode'], terms.body['session'], terms.body['completed']],
    [401, undefined, session, ['m.login.terms']],
  )
  const done = await step(token)
  assert.deepEqual([done.status, done.body['user_id']], [200, '@carol:test.local'])
})

test('whether a registration token is valid can be asked', async () => {
  const ask = async (token: string): Promise<unknown> =>
    (
      await server.call(
        'GET',
        `/_matrix/client/v1/register/m.login.registration_token/validity?token=${token}`,
      )
    ).body
  assert.deepEqual(await ask('open-sesame'), { valid: true })
  assert.deepEqual(await ask('guess'), { valid: false })
})

async function sharedSecret(fields: { username: string; admin: boolean }, key = secret): Promise<Reply> {
  const nonce = textOf((await server.call('GET', '/_synapse/admin/v1/register')).body, 'nonce')
  const text = [nonce, fields.username, 'correct horse', fields.admin ? 'admin' : 'notadmin'].join('\0')
  const mac = createHmac('sha1', key).update(text).digest('hex')
  const body = { ...fields, nonce, password: 'correct horse', mac }
  const reply = await server.call('POST', '/_synapse/admin/v1/register', { body })
  const replayed = await server.call('POST', '/_synapse/admin/v1/register', { body })
  assert.notEqual(replayed.status, 200)
  return reply
}

test('whoever knows the shared secret registers users, each nonce once', async () => {
  const reply = await sharedSecret({ username: 'Bob', admin: false })
  assert.deepEqual([reply.status, reply.body['user_id']], [200, '@bob:test.local'])
  const admin = await sharedSecret({ username: 'root', admin: true })
  assert.equal(admin.status, 200)
  const [row] = await server.database.reads.sql<{ admin: boolean }[]>`
    select admin from account where user_id = '@root:test.local'`
  assert.equal(row?.admin, true)
  assert.equal((await sharedSecret({ username: 'mallory', admin: false }, 'another secret')).status, 403)
  assert.equal((await sharedSecret({ username: 'a,b', admin: false })).body['errcode'], 'M_INVALID_USERNAME')
})

test('somebody who guesses passwords is told to wait', async () => {
  const body = {
    type: 'm.login.password',
    identifier: { type: 'm.id.user', user: 'bob' },
    password: 'wrong horse',
  }
  const replies: Reply[] = []
  for (let attempt = 0; attempt < 10; attempt++) {
    replies.push(await server.call('POST', '/_matrix/client/v3/login', { body }))
  }
  const last = replies.at(-1)
  assert.equal(last?.body['errcode'], 'M_LIMIT_EXCEEDED')
  assert.ok(Number(last?.body['retry_after_ms']) > 0)
  assert.equal(replies[0]?.status, 403)
})
