/** Accounts and sessions through the real gateway, actors and Postgres. */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { JsonObject } from '#protocol/json/types.ts'
import { textOf } from '../support/account-people.ts'
import { startAccountServer, type AccountServer, type Reply } from '../support/account-server.ts'

let server: AccountServer

before(async () => {
  server = await startAccountServer()
})

after(() => server[Symbol.asyncDispose]())

const dummy = { type: 'm.login.dummy' }
let names = 0

function freshName(): string {
  return `user${++names}`
}

function register(fields: JsonObject): Promise<Reply> {
  return server.call('POST', '/_matrix/client/v3/register', {
    body: { password: 'correct horse', auth: dummy, ...fields },
  })
}

async function registered(
  name = freshName(),
): Promise<{ userId: string; token: string; deviceId: string; name: string }> {
  const { status, body } = await register({ username: name })
  assert.equal(status, 200, JSON.stringify(body))
  return {
    name,
    userId: textOf(body, 'user_id'),
    token: textOf(body, 'access_token'),
    deviceId: textOf(body, 'device_id'),
  }
}

function logIn(name: string, fields: JsonObject = {}): Promise<Reply> {
  return server.call('POST', '/_matrix/client/v3/login', {
    body: {
      type: 'm.login.password',
      identifier: { type: 'm.id.user', user: name },
      password: 'correct horse',
      ...fields,
    },
  })
}

async function statusOf(token: string): Promise<number> {
  return (await server.call('GET', '/_matrix/client/v3/account/whoami', { token })).status
}

test('a new user is logged in with the tokens of the answer', async () => {
  const user = await registered('Alice')
  assert.equal(user.userId, '@alice:test.local')
  const me = await server.call('GET', '/_matrix/client/v3/account/whoami', { token: user.token })
  assert.deepEqual(me.body, { user_id: '@alice:test.local', device_id: user.deviceId, is_guest: false })
})

test('an empty registration is answered with the flows and a session that then serves once', async () => {
  const first = await server.call('POST', '/_matrix/client/v3/register', { body: {} })
  assert.equal(first.status, 401)
  assert.deepEqual(first.body['flows'], [{ stages: ['m.login.dummy'] }])
  const fields = { username: freshName(), password: 'correct horse' }
  const asked = await server.call('POST', '/_matrix/client/v3/register', { body: fields })
  const auth = { ...dummy, session: asked.body['session'] ?? '' }
  assert.equal((await register({ ...fields, auth })).status, 200)
  const again = await register({ ...fields, username: freshName(), auth })
  assert.equal(again.status, 401)
})

test('a taken name, a bad name and a weak password are refused', async () => {
  const { name } = await registered()
  assert.equal((await register({ username: name })).body['errcode'], 'M_USER_IN_USE')
  assert.equal((await register({ username: 'a b' })).body['errcode'], 'M_INVALID_USERNAME')
  assert.equal((await register({ username: '_x' })).body['errcode'], 'M_INVALID_USERNAME')
  assert.equal(
    (await register({ username: freshName(), password: 'short' })).body['errcode'],
    'M_WEAK_PASSWORD',
  )
  const available = '/_matrix/client/v3/register/available?username='
  assert.equal((await server.call('GET', available + name)).body['errcode'], 'M_USER_IN_USE')
  assert.deepEqual((await server.call('GET', available + freshName())).body, { available: true })
})

test('of many registrations of one name at once exactly one succeeds', async () => {
  const name = freshName()
  const replies = await Promise.all(Array.from({ length: 8 }, () => register({ username: name })))
  assert.deepEqual(
    replies.map((reply) => reply.status).toSorted((a, b) => a - b),
    [200, 400, 400, 400, 400, 400, 400, 400],
  )
})

test('guests are refused, and inhibit_login gives no session', async () => {
  const guest = await server.call('POST', '/_matrix/client/v3/register?kind=guest', { body: {} })
  assert.equal(guest.body['errcode'], 'M_GUEST_ACCESS_FORBIDDEN')
  const quiet = await register({ username: freshName(), inhibit_login: true })
  assert.deepEqual(Object.keys(quiet.body), ['user_id'])
})

test('a user logs in with his name in any case, or his whole id', async () => {
  const { name, userId } = await registered()
  for (const user of [name, name.toUpperCase(), userId]) {
    const reply = await logIn(user, { device_id: `D_${user.length}` })
    assert.equal(reply.status, 200)
    assert.equal(reply.body['user_id'], userId)
    assert.equal(await statusOf(textOf(reply.body, 'access_token')), 200)
  }
})

test('a wrong password and an unknown user are the same to whoever tries', async () => {
  const { name } = await registered()
  const wrong = await logIn(name, { password: 'wrong horse' })
  const unknown = await logIn('nobody-here')
  assert.equal(wrong.status, 403)
  assert.deepEqual(wrong.body, unknown.body)
})

test('a device that logs in again has the new token alone', async () => {
  const { name, token, deviceId } = await registered()
  const reply = await logIn(name, { device_id: deviceId })
  assert.equal(await statusOf(textOf(reply.body, 'access_token')), 200)
  assert.equal(await statusOf(token), 401)
})

test('logout ends one session, logout/all every one', async () => {
  const { name, token } = await registered()
  const second = textOf((await logIn(name)).body, 'access_token')
  const third = textOf((await logIn(name)).body, 'access_token')
  assert.equal((await server.call('POST', '/_matrix/client/v3/logout', { token, body: {} })).status, 200)
  assert.deepEqual([await statusOf(token), await statusOf(second)], [401, 200])
  await server.call('POST', '/_matrix/client/v3/logout/all', { token: second })
  assert.deepEqual([await statusOf(second), await statusOf(third)], [401, 401])
})

test('a refresh token can be used again until its successor is used, and then never more', async () => {
  const { name } = await registered()
  const first = (await logIn(name, { refresh_token: true })).body
  const refresh = (token: unknown): Promise<Reply> =>
    server.call('POST', '/_matrix/client/v3/refresh', { body: { refresh_token: String(token) } })
  const lost = (await refresh(first['refresh_token'])).body
  assert.equal(await statusOf(textOf(first, 'access_token')), 200)
  const second = (await refresh(first['refresh_token'])).body
  assert.equal(await statusOf(textOf(second, 'access_token')), 200)
  assert.equal((await refresh(lost['refresh_token'])).status, 401)
  assert.equal(await statusOf(textOf(lost, 'access_token')), 401)
  const third = (await refresh(second['refresh_token'])).body
  assert.equal((await refresh(first['refresh_token'])).body['errcode'], 'M_UNKNOWN_TOKEN')
  assert.equal(await statusOf(textOf(first, 'access_token')), 401)
  assert.equal(await statusOf(textOf(third, 'access_token')), 200)
})

test('the first use of a refreshed access token ends the pair before it', async () => {
  const { name } = await registered()
  const first = (await logIn(name, { refresh_token: true })).body
  const body = { refresh_token: textOf(first, 'refresh_token') }
  const second = (await server.call('POST', '/_matrix/client/v3/refresh', { body })).body
  assert.equal(await statusOf(textOf(first, 'access_token')), 200)
  assert.equal(await statusOf(textOf(second, 'access_token')), 200)
  const until = Date.now() + 5000
  while ((await statusOf(textOf(first, 'access_token'))) === 200) assert.ok(Date.now() < until)
  assert.equal((await server.call('POST', '/_matrix/client/v3/refresh', { body })).status, 401)
  assert.equal(await statusOf(textOf(second, 'access_token')), 200)
})

test('a login token needs the password and logs in once', async () => {
  const { token, userId, name } = await registered()
  const path = '/_matrix/client/v1/login/get_token'
  const asked = await server.call('POST', path, { token, body: {} })
  assert.equal(asked.status, 401)
  const auth = {
    type: 'm.login.password',
    identifier: { type: 'm.id.user', user: name },
    password: 'correct horse',
    session: asked.body['session'] ?? '',
  }
  const given = await server.call('POST', path, { token, body: { auth } })
  assert.equal(given.status, 200)
  const login = { type: 'm.login.token', token: given.body['login_token'] ?? '' }
  const attempts = await Promise.all(
    Array.from({ length: 4 }, () => server.call('POST', '/_matrix/client/v3/login', { body: login })),
  )
  assert.deepEqual(
    attempts.map((reply) => reply.status).toSorted((a, b) => a - b),
    [200, 403, 403, 403],
  )
  assert.ok(attempts.some((reply) => reply.body['user_id'] === userId))
})

test('a changed password logs the others out and is the one that counts', async () => {
  const { token, name } = await registered()
  const other = textOf((await logIn(name)).body, 'access_token')
  const auth = { type: 'm.login.password', user: name, password: 'correct horse' }
  const body = { new_password: 'battery staple', auth }
  const changed = await server.call('POST', '/_matrix/client/v3/account/password', { token, body })
  assert.equal(changed.status, 200)
  assert.deepEqual([await statusOf(token), await statusOf(other)], [200, 401])
  assert.equal((await logIn(name)).status, 403)
  assert.equal((await logIn(name, { password: 'battery staple' })).status, 200)
})

test('a closed account has no sessions, no log-in, and a name that nobody gets again', async () => {
  const { token, name } = await registered()
  const path = '/_matrix/client/v3/account/deactivate'
  const wrong = { type: 'm.login.password', user: name, password: 'wrong horse' }
  assert.equal(
    (await server.call('POST', path, { token, body: { auth: wrong } })).body['errcode'],
    'M_FORBIDDEN',
  )
  const auth = { ...wrong, password: 'correct horse' }
  assert.equal((await server.call('POST', path, { token, body: { auth } })).status, 200)
  assert.equal(await statusOf(token), 401)
  assert.equal((await logIn(name)).body['errcode'], 'M_USER_DEACTIVATED')
  assert.equal((await register({ username: name })).body['errcode'], 'M_USER_IN_USE')
})

test('a session that no server has made, or made for another request, is not taken up by one that has forgotten all', async () => {
  const opened = await server.call('POST', '/_matrix/client/v3/register', { body: { username: freshName() } })
  server = await server.restart()
  const username = freshName()
  for (const session of [textOf(opened.body, 'session'), 'a'.repeat(54), 'made-up']) {
    const answer = await register({ username, auth: { ...dummy, session } })
    assert.deepEqual([answer.status, answer.body['errcode']], [401, 'M_UNKNOWN'])
    assert.notEqual(answer.body['session'], session)
  }
})

test('an authentication session serves only the request that it was opened for', async () => {
  const alice = await registered()
  const bob = await registered()
  const path = '/_matrix/client/v3/account/password'
  const opened = await server.call('POST', path, {
    token: alice.token,
    body: { new_password: 'first choice' },
  })
  const session = opened.body['session'] ?? ''
  const auth = { type: 'm.login.password', user: alice.name, password: 'correct horse', session }
  const otherBody = await server.call('POST', path, {
    token: alice.token,
    body: { new_password: 'other choice', auth },
  })
  assert.equal(otherBody.status, 401)
  const otherPath = await server.call('POST', '/_matrix/client/v3/account/deactivate', {
    token: alice.token,
    body: { auth },
  })
  assert.equal(otherPath.status, 401)
  const bobsAuth = { ...auth, user: bob.name }
  const otherUser = await server.call('POST', path, {
    token: bob.token,
    body: { new_password: 'first choice', auth: bobsAuth },
  })
  assert.equal(otherUser.status, 401)
  const notOffered = await server.call('POST', path, {
    token: alice.token,
    body: { new_password: 'first choice', auth: { type: 'm.login.dummy', session } },
  })
  assert.equal(notOffered.status, 401)
  const right = await server.call('POST', path, {
    token: alice.token,
    body: { new_password: 'first choice', auth },
  })
  assert.equal(right.status, 200)
})
