/** Account data, tags, push rules, filters, profile, devices through the real gateway, actors and Postgres. */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Person, textOf } from '../support/account-people.ts'
import { startAccountServer, type AccountServer } from '../support/account-server.ts'

let server: AccountServer

before(async () => {
  server = await startAccountServer({
    environment: { TROUPE_TURN_URIS: 'turn:turn.example.org', TROUPE_TURN_SECRET: 'shared' },
  })
})

after(() => server[Symbol.asyncDispose]())

const roomId = '!room:test.local'

test('account data is kept by type and room, and told to sync with its position', async () => {
  const alice = await Person.register(server)
  const path = `/user/${alice.userId}/account_data/org.example.type`
  assert.equal((await alice.call('GET', path)).body['errcode'], 'M_NOT_FOUND')
  await alice.must('PUT', path, { a: 1.5, text: 'nul \u0000' })
  assert.deepEqual(await alice.must('GET', path), { a: 1.5, text: 'nul \u0000' })
  const inRoom = `/user/${alice.userId}/rooms/${roomId}/account_data/org.example.type`
  await alice.must('PUT', inRoom, { b: 2 })
  assert.deepEqual(await alice.must('GET', inRoom), { b: 2 })
  const own = server.ownStates.get(alice.userId)
  assert.ok(own)
  const [item] = (await own.accountData('')).filter(({ type }) => type === 'org.example.type')
  assert.ok(item !== undefined && item.pos > 0)
  const changed = await own.accountDataAfter(item.pos)
  assert.deepEqual(
    changed.map(({ roomId: room, content }) => [room, content]),
    [[roomId, { b: 2 }]],
  )
  assert.deepEqual(await own.accountDataAfter(changed[0]?.pos ?? 0), [])
})

test('what the server keeps cannot be set as account data, nor can that of others', async () => {
  const alice = await Person.register(server)
  const bob = await Person.register(server)
  for (const type of ['m.fully_read', 'm.push_rules']) {
    const reply = await alice.call('PUT', `/user/${alice.userId}/account_data/${type}`, {})
    assert.deepEqual([reply.status, reply.body['errcode']], [405, 'M_BAD_JSON'])
  }
  const others = await bob.call('PUT', `/user/${alice.userId}/account_data/x`, {})
  assert.equal(others.body['errcode'], 'M_FORBIDDEN')
})

test('tags are set, replaced and removed one by one', async () => {
  const alice = await Person.register(server)
  const tags = `/user/${alice.userId}/rooms/${roomId}/tags`
  assert.deepEqual(await alice.must('GET', tags), { tags: {} })
  await alice.must('PUT', `${tags}/m.favourite`, { order: 0.25 })
  await alice.must('PUT', `${tags}/u.work`, {})
  await alice.must('PUT', `${tags}/m.favourite`, { order: 0.5 })
  await alice.must('DELETE', `${tags}/u.work`)
  assert.deepEqual(await alice.must('GET', tags), { tags: { 'm.favourite': { order: 0.5 } } })
  assert.equal((await alice.call('PUT', `${tags}/x`, { order: 'first' })).status, 400)
})

test('push rules are made, changed and deleted, and the defaults stay', async () => {
  const alice = await Person.register(server)
  const rule = '/pushrules/global/room/!r:test.local'
  await alice.must('PUT', rule, { actions: ['notify'] })
  assert.equal((await alice.must('GET', rule))['enabled'], true)
  await alice.must('PUT', `${rule}/enabled`, { enabled: false })
  assert.deepEqual(await alice.must('GET', `${rule}/enabled`), { enabled: false })
  await alice.must('PUT', `${rule}/actions`, { actions: [] })
  assert.deepEqual(await alice.must('GET', `${rule}/actions`), { actions: [] })
  await alice.must('PUT', '/pushrules/global/override/.m.rule.master/enabled', { enabled: true })
  const own = server.ownStates.get(alice.userId)
  const shown = (await own?.accountData(''))?.find(({ type }) => type === 'm.push_rules')
  assert.deepEqual(shown?.content, await alice.must('GET', '/pushrules/'))
  await alice.must('DELETE', rule)
  assert.equal((await alice.call('GET', rule)).status, 404)
  assert.equal((await alice.call('PUT', '/pushrules/global/nokind/x', { actions: [] })).status, 400)
})

test('a filter is given an id, the same one for the same filter', async () => {
  const alice = await Person.register(server)
  const path = `/user/${alice.userId}/filter`
  const filter = { room: { timeline: { limit: 5 } } }
  const first = await alice.must('POST', path, filter)
  assert.deepEqual(await alice.must('POST', path, filter), first)
  assert.deepEqual(await alice.must('GET', `${path}/${textOf(first, 'filter_id')}`), filter)
  assert.equal((await alice.call('GET', `${path}/none`)).status, 404)
  assert.equal((await alice.call('GET', `${path}/%00`)).status, 400)
  assert.equal((await alice.call('POST', path, { room: 'all' })).status, 400)
})

test('profile fields of any name are kept; names and sizes have limits', async () => {
  const alice = await Person.register(server)
  const profile = `/profile/${alice.userId}`
  await alice.must('PUT', `${profile}/displayname`, { displayname: 'Alice' })
  await alice.must('PUT', `${profile}/org.example.pronouns`, { 'org.example.pronouns': ['she', 'her'] })
  const expected = { displayname: 'Alice', 'org.example.pronouns': ['she', 'her'] }
  assert.deepEqual((await server.call('GET', `/_matrix/client/v3${profile}`)).body, expected)
  assert.deepEqual(await alice.must('GET', `${profile}/displayname`), { displayname: 'Alice' })
  await alice.must('DELETE', `${profile}/org.example.pronouns`)
  assert.equal((await alice.call('GET', `${profile}/org.example.pronouns`)).status, 404)
  const long = 'a'.repeat(256)
  assert.equal(
    (await alice.call('PUT', `${profile}/${long}`, { [long]: 1 })).body['errcode'],
    'M_KEY_TOO_LARGE',
  )
  assert.equal((await alice.call('PUT', `${profile}/A`, { A: 1 })).body['errcode'], 'M_INVALID_PARAM')
  assert.equal((await alice.call('PUT', `${profile}/b`, {})).body['errcode'], 'M_MISSING_PARAM')
  const large = await alice.call('PUT', `${profile}/b`, { b: 'x'.repeat(65_536) })
  assert.equal(large.body['errcode'], 'M_PROFILE_TOO_LARGE')
  const bob = await Person.register(server)
  assert.equal((await bob.call('PUT', `${profile}/displayname`, { displayname: 'Mallory' })).status, 403)
  assert.equal((await bob.call('GET', '/profile/@nobody:test.local')).body['errcode'], 'M_NOT_FOUND')
})

test('devices are listed, named, and deleted by whoever knows the password', async () => {
  const alice = await Person.register(server)
  const second = await alice.secondDevice()
  const device = `/devices/${second.deviceId}`
  await alice.must('PUT', device, { display_name: 'Phone' })
  assert.equal((await alice.must('GET', device))['display_name'], 'Phone')
  assert.equal((await alice.call('PUT', device, { display_name: 'nul \u0000' })).status, 400)
  assert.equal((await alice.call('PUT', '/devices/none', { display_name: 'x' })).status, 404)
  const bob = await Person.register(server)
  assert.equal((await alice.call('DELETE', device, { auth: bob.auth })).status, 403)
  const asked = await alice.call('DELETE', device)
  assert.equal(asked.status, 401)
  await alice.must('DELETE', device, { auth: { ...alice.auth, session: asked.body['session'] ?? '' } })
  assert.equal((await alice.call('GET', device)).status, 404)
  assert.equal((await second.call('GET', '/account/whoami')).status, 401)
  const third = await alice.secondDevice()
  await alice.must('POST', '/delete_devices', { devices: [third.deviceId, 'none'], auth: alice.auth })
  assert.equal((await third.call('GET', '/account/whoami')).status, 401)
})

test('an OpenID token and credentials for calls are given to users', async () => {
  const alice = await Person.register(server)
  const openId = await alice.must('POST', `/user/${alice.userId}/openid/request_token`, {})
  assert.equal(openId['matrix_server_name'], 'test.local')
  const turn = await alice.must('GET', '/voip/turnServer')
  assert.match(textOf(turn, 'username'), new RegExp(`^[0-9]+:${alice.userId}$`))
})

test('what was stored is there after a restart', async () => {
  const alice = await Person.register(server)
  await alice.must('PUT', `/user/${alice.userId}/account_data/kept`, { yes: true })
  await alice.must('PUT', `/profile/${alice.userId}/displayname`, { displayname: 'Kept' })
  const again = await server.restart()
  server = again
  const path = `/_matrix/client/v3/user/${alice.userId}/account_data/kept`
  assert.deepEqual((await again.call('GET', path, { token: alice.token })).body, { yes: true })
  const put = await again.call('PUT', path, { token: alice.token, body: { yes: false } })
  assert.equal(put.status, 200)
  const own = again.ownStates.get(alice.userId)
  assert.deepEqual((await own?.accountData(''))?.find(({ type }) => type === 'kept')?.content, { yes: false })
})
