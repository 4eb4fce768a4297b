/**
 * A password is changed, or a session ended, while something that it allowed is under way. The order is forced: work on a password is held back
 * by the test after it is done, and goes on when the change has been answered.
 */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { parseUserId, type UserId } from '#protocol/ids/user-id.ts'
import type { JsonObject } from '#protocol/json/types.ts'
import type { Passwords } from '#gateway/http/endpoint.ts'
import { password, textOf } from '../support/account-people.ts'
import { startAccountServer, type AccountServer, type Reply } from '../support/account-server.ts'
import { makeIdentity } from '../support/e2ee-keys.ts'

const limit = { timeout: 30_000 }
const newPassword = 'battery staple'
const stolenPassword = 'chosen by a thief'

interface Hold {
  /** Resolves when the work is done and held. */
  readonly reached: Promise<void>
  readonly release: () => void
}

/** Passwords whose next piece of work with a certain text waits for the test. */
class HeldPasswords implements Passwords {
  readonly #own: Passwords
  #next: { readonly text: string; readonly reach: () => void; readonly go: Promise<void> } | undefined

  constructor(own: Passwords) {
    this.#own = own
  }

  hold(text: string): Hold {
    const reached = Promise.withResolvers<void>()
    const go = Promise.withResolvers<void>()
    this.#next = { text, reach: reached.resolve, go: go.promise }
    return { reached: reached.promise, release: go.resolve }
  }

  async hash(text: string): Promise<string> {
    const hash = await this.#own.hash(text)
    await this.#wait(text)
    return hash
  }

  async verify(text: string, hash: string | undefined): Promise<boolean> {
    const right = await this.#own.verify(text, hash)
    await this.#wait(text)
    return right
  }

  async #wait(text: string): Promise<void> {
    const next = this.#next
    if (next?.text !== text) return
    this.#next = undefined
    next.reach()
    await next.go
  }
}

let server: AccountServer
let held: HeldPasswords

before(async () => {
  server = await startAccountServer({ passwords: (own) => (held = new HeldPasswords(own)) })
})

after(() => server[Symbol.asyncDispose]())

interface User {
  readonly name: string
  readonly token: string
}

async function registered(name: string): Promise<User> {
  const body = { username: name, password, auth: { type: 'm.login.dummy' } }
  const reply = await server.call('POST', '/_matrix/client/v3/register', { body })
  assert.equal(reply.status, 200)
  return { name, token: textOf(reply.body, 'access_token') }
}

function logIn(name: string, given: string): Promise<Reply> {
  const body = { type: 'm.login.password', identifier: { type: 'm.id.user', user: name }, password: given }
  return server.call('POST', '/_matrix/client/v3/login', { body })
}

function changePassword({ name, token }: User, to: string): Promise<Reply> {
  const auth = { type: 'm.login.password', user: name, password }
  const body: JsonObject = { new_password: to, logout_devices: true, auth }
  return server.call('POST', '/_matrix/client/v3/account/password', { token, body })
}

/** The second session of a user, in the hands of somebody who knows the password. */
async function thiefOf(user: User): Promise<User> {
  const reply = await logIn(user.name, password)
  return { name: user.name, token: textOf(reply.body, 'access_token') }
}

async function deviceCount({ token }: User): Promise<number> {
  const { body } = await server.call('GET', '/_matrix/client/v3/devices', { token })
  assert.ok(Array.isArray(body['devices']))
  return body['devices'].length
}

test('a login by the password that was changed meanwhile opens no session', limit, async () => {
  const owner = await registered('login')
  const hold = held.hold(password)
  const login = logIn(owner.name, password)
  await hold.reached
  assert.equal((await changePassword(owner, newPassword)).status, 200)
  hold.release()
  const refused = await login
  assert.deepEqual([refused.status, refused.body['errcode']], [403, 'M_FORBIDDEN'])
  assert.equal(await deviceCount(owner), 1)
  assert.equal((await logIn(owner.name, newPassword)).status, 200)
})

test('a session that a change of the password ends cannot change it back', limit, async () => {
  const owner = await registered('change')
  const thief = await thiefOf(owner)
  const hold = held.hold(stolenPassword)
  const change = changePassword(thief, stolenPassword)
  await hold.reached
  assert.equal((await changePassword(owner, newPassword)).status, 200)
  hold.release()
  const refused = await change
  assert.deepEqual([refused.status, refused.body['errcode']], [401, 'M_UNKNOWN_TOKEN'])
  assert.equal((await logIn(owner.name, stolenPassword)).status, 403)
  assert.equal((await logIn(owner.name, newPassword)).status, 200)
})

test('a session that a change of the password ends gets no login token', limit, async () => {
  const owner = await registered('token')
  const thief = await thiefOf(owner)
  const auth = { type: 'm.login.password', user: owner.name, password }
  const hold = held.hold(password)
  const asked = server.call('POST', '/_matrix/client/v1/login/get_token', {
    token: thief.token,
    body: { auth },
  })
  await hold.reached
  assert.equal((await changePassword(owner, newPassword)).status, 200)
  hold.release()
  const refused = await asked
  assert.deepEqual([refused.status, refused.body['errcode']], [401, 'M_UNKNOWN_TOKEN'])
})

test('a login token that was given before a change of the password is void after it', limit, async () => {
  const owner = await registered('void')
  const thief = await thiefOf(owner)
  const auth = { type: 'm.login.password', user: owner.name, password }
  const path = '/_matrix/client/v1/login/get_token'
  const given = await server.call('POST', path, { token: thief.token, body: { auth } })
  assert.equal(given.status, 200)
  assert.equal((await changePassword(owner, newPassword)).status, 200)
  const body = { type: 'm.login.token', token: textOf(given.body, 'login_token') }
  const refused = await server.call('POST', '/_matrix/client/v3/login', { body })
  assert.deepEqual([refused.status, refused.body['errcode']], [403, 'M_FORBIDDEN'])
  assert.equal(await deviceCount(owner), 1)
})

/** The thief's request, held when his password has been found right, meets the end of his session and must have no effect. */
async function afterHisLogout(
  owner: User,
  ask: (thief: User, auth: JsonObject) => Promise<Reply>,
): Promise<void> {
  const thief = await thiefOf(owner)
  const hold = held.hold(password)
  const asked = ask(thief, { type: 'm.login.password', user: owner.name, password })
  await hold.reached
  assert.equal((await server.call('POST', '/_matrix/client/v3/logout', { token: thief.token })).status, 200)
  hold.release()
  const refused = await asked
  assert.deepEqual([refused.status, refused.body['errcode']], [401, 'M_UNKNOWN_TOKEN'])
}

async function whoIs({ token }: Pick<User, 'token'>): Promise<{ userId: UserId; deviceId: string }> {
  const { body } = await server.call('GET', '/_matrix/client/v3/account/whoami', { token })
  return { userId: parseUserId(textOf(body, 'user_id')), deviceId: textOf(body, 'device_id') }
}

test('a session that has been logged out meanwhile removes no device', limit, async () => {
  const owner = await registered('device')
  const { deviceId } = await whoIs(owner)
  await afterHisLogout(owner, ({ token }, auth) =>
    server.call('DELETE', `/_matrix/client/v3/devices/${deviceId}`, { token, body: { auth } }),
  )
  await afterHisLogout(owner, ({ token }, auth) =>
    server.call('POST', '/_matrix/client/v3/delete_devices', { token, body: { auth, devices: [deviceId] } }),
  )
  assert.equal(await deviceCount(owner), 1)
})

test('a session that has been logged out meanwhile closes no account', limit, async () => {
  const owner = await registered('close')
  await afterHisLogout(owner, ({ token }, auth) =>
    server.call('POST', '/_matrix/client/v3/account/deactivate', { token, body: { auth } }),
  )
  assert.equal(await deviceCount(owner), 1)
})

test('a session that has been logged out meanwhile replaces no cross-signing key', limit, async () => {
  const owner = await registered('identity')
  const { userId } = await whoIs(owner)
  const path = '/_matrix/client/v3/keys/device_signing/upload'
  const own = makeIdentity(userId).upload
  assert.equal((await server.call('POST', path, { token: owner.token, body: own })).status, 200)
  await afterHisLogout(owner, ({ token }, auth) =>
    server.call('POST', path, { token, body: { ...makeIdentity(userId).upload, auth } }),
  )
  const body = { device_keys: { [userId]: [] } }
  const keys = await server.call('POST', '/_matrix/client/v3/keys/query', { token: owner.token, body })
  assert.deepEqual(keys.body['master_keys'], { [userId]: own['master_key'] })
})

test('a session can remove its own device, and the request may be repeated', limit, async () => {
  const owner = await registered('itself')
  const { token } = await thiefOf(owner)
  const { userId, deviceId } = await whoIs({ token })
  const auth = { type: 'm.login.password', user: owner.name, password }
  const body = { auth, devices: [deviceId] }
  const removed = await server.call('POST', '/_matrix/client/v3/delete_devices', { token, body })
  assert.deepEqual([removed.status, await deviceCount(owner)], [200, 1])
  await server.ask.ask('user', userId, 'deleteDevices', { deviceIds: [deviceId], askedFrom: deviceId })
})
