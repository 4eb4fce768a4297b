/** Fields of bodies that have the wrong type or odd characters: refused with the field's name, or kept byte for byte. */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { assertRefused, newestEvents, startBadInputServer, type BadInputServer } from '../support/bad-input.ts'
import type { Json } from '../support/matrix.ts'

let server: BadInputServer
let room: string
let user: string
let eventId: string
let txn = 0

before(async () => {
  server = await startBadInputServer()
  const { alice, roomId } = server
  room = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}`
  user = `/_matrix/client/v3/user/${encodeURIComponent(alice.userId)}`
  eventId = await alice.text(roomId, 'an event')
})
after(() => server[Symbol.asyncDispose]())

interface Sample {
  readonly method: 'PUT' | 'POST'
  readonly path: string
  readonly body: Json
}

/** One good request of each endpoint that takes a body with fields of its own. */
function samples(): readonly Sample[] {
  const { alice, bob } = server
  const signed = { algorithms: ['m.megolm.v1.aes-sha2'], keys: { 'ed25519:X': 'abc' }, signatures: {} }
  const deviceKeys = { user_id: alice.userId, device_id: alice.deviceId, ...signed }
  const oneTimeKeys = { 'signed_curve25519:A': { key: 'abc', signatures: { [alice.userId]: { 'ed25519:X': 'sig' } } } }
  const session = { first_message_index: 0, forwarded_count: 0, is_verified: false, session_data: { ciphertext: 'c' } }
  const master = { user_id: alice.userId, usage: ['master'], keys: { 'ed25519:abc': 'abc' } }
  return [
    {
      method: 'POST',
      path: '/_matrix/client/v3/createRoom',
      body: {
        visibility: 'private',
        preset: 'private_chat',
        name: 'Hall',
        topic: 'All',
        invite: [bob.userId],
        room_version: '12',
        creation_content: { 'm.federate': true, additional_creators: [bob.userId] },
        initial_state: [{ type: 'org.example.x', state_key: 'k', content: {} }],
        is_direct: true,
        power_level_content_override: { users: { [bob.userId]: 50 }, events: { 'org.example.x': 10 }, ban: 60 },
      },
    },
    { method: 'POST', path: `${room}/invite`, body: { user_id: bob.userId, reason: 'r' } },
    { method: 'POST', path: `${room}/kick`, body: { user_id: '@nobody:test.local', reason: 'r' } },
    { method: 'POST', path: `${room}/ban`, body: { user_id: '@nobody:test.local', reason: 'r' } },
    { method: 'POST', path: `${room}/unban`, body: { user_id: '@nobody:test.local', reason: 'r' } },
    { method: 'POST', path: `${room}/join`, body: { reason: 'r' } },
    { method: 'PUT', path: `${room}/typing/${encodeURIComponent(alice.userId)}`, body: { typing: true, timeout: 1000 } },
    { method: 'POST', path: `${room}/receipt/m.read/${encodeURIComponent(eventId)}`, body: { thread_id: 'main' } },
    { method: 'POST', path: `${room}/read_markers`, body: { 'm.read': eventId, 'm.fully_read': eventId } },
    { method: 'PUT', path: `${user}/rooms/${encodeURIComponent(server.roomId)}/tags/u.x`, body: { order: 0.5 } },
    {
      method: 'POST',
      path: `${user}/filter`,
      body: {
        event_fields: ['content.body'],
        event_format: 'client',
        presence: { types: ['x'] },
        account_data: { not_types: ['x'], limit: 5 },
        room: {
          rooms: [server.roomId],
          include_leave: true,
          timeline: { senders: [bob.userId], limit: 10, contains_url: true },
          state: { lazy_load_members: true },
        },
      },
    },
    {
      method: 'PUT',
      path: '/_matrix/client/v3/pushrules/global/override/org.example.rule',
      body: {
        conditions: [{ kind: 'event_match', key: 'type', pattern: 'x' }, { kind: 'room_member_count', is: '2' }],
        actions: ['notify', { set_tweak: 'sound', value: 'default' }],
      },
    },
    { method: 'PUT', path: '/_matrix/client/v3/pushrules/global/content/org.example.c', body: { pattern: 'x', actions: [] } },
    { method: 'PUT', path: '/_matrix/client/v3/pushrules/global/override/.m.rule.master/enabled', body: { enabled: false } },
    { method: 'PUT', path: `/_matrix/client/v3/profile/${alice.userId}/displayname`, body: { displayname: 'Alice' } },
    { method: 'PUT', path: `/_matrix/client/v3/profile/${alice.userId}/avatar_url`, body: { avatar_url: 'mxc://a/b' } },
    { method: 'PUT', path: `/_matrix/client/v3/devices/${alice.deviceId}`, body: { display_name: 'Phone' } },
    {
      method: 'POST',
      path: '/_matrix/client/v3/keys/upload',
      body: { device_keys: deviceKeys, one_time_keys: oneTimeKeys, fallback_keys: oneTimeKeys },
    },
    { method: 'POST', path: '/_matrix/client/v3/keys/query', body: { device_keys: { [bob.userId]: ['X'] }, timeout: 10 } },
    {
      method: 'POST',
      path: '/_matrix/client/v3/keys/claim',
      body: { one_time_keys: { [bob.userId]: { [bob.deviceId]: 'signed_curve25519' } }, timeout: 10 },
    },
    { method: 'POST', path: '/_matrix/client/v3/keys/signatures/upload', body: { [alice.userId]: { abc: master } } },
    { method: 'POST', path: '/_matrix/client/v3/keys/device_signing/upload', body: { master_key: master } },
    {
      method: 'PUT',
      path: `/_matrix/client/v3/sendToDevice/org.example.note/f${txn++}`,
      body: { messages: { [bob.userId]: { [bob.deviceId]: { x: 1 } } } },
    },
    {
      method: 'POST',
      path: '/_matrix/client/v3/room_keys/version',
      body: { algorithm: 'm.megolm_backup.v1.curve25519-aes-sha2', auth_data: { public_key: 'abc', signatures: {} } },
    },
    {
      method: 'PUT',
      path: '/_matrix/client/v3/room_keys/keys?version=1',
      body: { rooms: { [server.roomId]: { sessions: { session } } } },
    },
    {
      method: 'POST',
      path: '/_matrix/client/v3/register',
      body: {
        username: 'carol',
        password: 'a long enough password',
        device_id: 'D',
        initial_device_display_name: 'N',
        inhibit_login: true,
        refresh_token: true,
        auth: { type: 'm.login.none', session: 's' },
      },
    },
    {
      method: 'POST',
      path: '/_matrix/client/v3/login',
      body: {
        type: 'm.login.password',
        identifier: { type: 'm.id.user', user: 'nobody' },
        password: 'p',
        device_id: 'D',
        initial_device_display_name: 'N',
      },
    },
    { method: 'POST', path: '/_matrix/client/v3/account/password', body: { new_password: 'another password', auth: {} } },
    { method: 'POST', path: '/_matrix/client/v3/delete_devices', body: { devices: ['X'] } },
    { method: 'POST', path: '/_matrix/client/v3/refresh', body: { refresh_token: 'r' } },
  ]
}

type Path = readonly (string | number)[]

/** The paths of all values inside a value. */
function places(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path]
  return [path, ...Object.entries(value).flatMap(([key, each]) => places(each, [...path, Array.isArray(value) ? Number(key) : key]))]
}

/** The value with another one at a path. */
function replaced(value: unknown, [key, ...rest]: Path, by: unknown): unknown {
  if (key === undefined) return by
  if (Array.isArray(value)) return value.map((each: unknown, index) => (index === key ? replaced(each, rest, by) : each))
  const entries = Object.entries(value as Json)
  return Object.fromEntries(entries.map(([name, each]) => [name, name === key ? replaced(each, rest, by) : each]))
}

/** The value with a key renamed. */
function renamed(value: unknown, path: Path, name: string): unknown {
  const [key, ...rest] = path
  const entries = Object.entries(value as Json)
  if (rest.length === 0) return Object.fromEntries(entries.map(([old, each]) => [old === key ? name : old, each]))
  return Array.isArray(value)
    ? value.map((each: unknown, index) => (index === key ? renamed(each, rest, name) : each))
    : Object.fromEntries(entries.map(([old, each]) => [old, old === key ? renamed(each, rest, name) : each]))
}

async function answersWell({ method, path }: Sample, body: unknown): Promise<void> {
  const answer = await server.ask({ method, path, body: JSON.stringify(body) })
  const seen = `${method} ${path} ${JSON.stringify(body).slice(0, 400)}: ${answer.status} ${JSON.stringify(answer.body)}`
  assert.ok(answer.status < 500, seen)
  if (answer.status < 400 || 'flows' in answer.body) return
  assertRefused(answer, answer.status, /^M_[A-Z_]+$/, seen)
}

describe('a field of a body', () => {
  const odd: readonly unknown[] = [null, -1, 1.5, '', '\0', 'a'.repeat(70_000), [null], { a: {} }]

  for (const value of odd) {
    const name = JSON.stringify(value).slice(0, 20)
    test(`may be ${name} and never makes the server fail`, async () => {
      for (const sample of samples()) {
        for (const path of places(sample.body)) await answersWell(sample, replaced(sample.body, path, value))
      }
    })
  }

  for (const key of ['', '\0', '__proto__', '@a\nb:test.local', 'a'.repeat(300)]) {
    test(`may have the name ${JSON.stringify(key).slice(0, 24)} and never makes the server fail`, async () => {
      for (const sample of samples()) {
        for (const path of places(sample.body)) {
          if (typeof path.at(-1) === 'string') await answersWell(sample, renamed(sample.body, path, key))
        }
      }
    })
  }

  test('that is missing or of the wrong type is named in the answer', async () => {
    const cases: readonly (readonly [path: string, body: Json, errcode: string, field: string])[] = [
      ['/_matrix/client/v3/createRoom', { preset: 'grand' }, 'M_BAD_JSON', 'preset'],
      ['/_matrix/client/v3/createRoom', { invite: 'bob' }, 'M_BAD_JSON', 'invite'],
      ['/_matrix/client/v3/createRoom', { initial_state: [{ content: {} }] }, 'M_MISSING_PARAM', 'initial_state.0.type'],
      [`${room}/kick`, {}, 'M_MISSING_PARAM', 'user_id'],
      [`${room}/kick`, { user_id: 1 }, 'M_BAD_JSON', 'user_id'],
      ['/_matrix/client/v3/login', {}, 'M_MISSING_PARAM', 'type'],
      ['/_matrix/client/v3/keys/query', {}, 'M_MISSING_PARAM', 'device_keys'],
    ]
    for (const [path, body, errcode, field] of cases) {
      const answer = await server.ask({ method: 'POST', path, body: JSON.stringify(body) })
      assertRefused(answer, 400, errcode, path)
      assert.match(String(answer.body['error']), new RegExp(`"${field}"`))
    }
  })
})

describe('NUL and lone surrogates', () => {
  const text = 'a\0b'

  test('NUL in content is kept', async () => {
    const { alice, bob, roomId } = server
    const since = (await bob.sync()).next_batch
    const sent = await alice.send(roomId, { body: text, msgtype: 'm.text', [text]: [text] })
    const seen = await bob.syncUntil(since, ({ rooms }) => rooms?.join?.[roomId] !== undefined)
    const event = seen.rooms?.join?.[roomId]?.timeline?.events.find((each) => each.event_id === sent)
    assert.deepEqual(event?.content, { body: text, msgtype: 'm.text', [text]: [text] })
  })

  test('NUL in the name, topic or member event of a room is kept', async () => {
    const { alice, roomId } = server
    await alice.setState(roomId, 'm.room.name', { name: text })
    await alice.setState(roomId, 'm.room.topic', { topic: text })
    await alice.setState(roomId, 'm.room.member', { membership: 'join', displayname: text }, alice.userId)
    assert.deepEqual(await alice.ok('GET', `${room}/state/m.room.name`), { name: text })
    const { joined } = await alice.ok<{ joined: Record<string, Json> }>('GET', `${room}/joined_members`)
    assert.equal(joined[alice.userId]?.['display_name'], text)
  })

  test('NUL in account data, to-device messages and settings is kept', async () => {
    const { alice, bob } = server
    await alice.ok('PUT', `${user}/account_data/org.example.nul`, { [text]: text })
    assert.deepEqual(await alice.ok('GET', `${user}/account_data/org.example.nul`), { [text]: text })
    const since = (await bob.sync()).next_batch
    const messages = { [bob.userId]: { '*': { [text]: text } } }
    await alice.ok('PUT', `/_matrix/client/v3/sendToDevice/org.example.nul/nul${txn++}`, { messages })
    const seen = await bob.syncUntil(since, ({ to_device }) => (to_device?.events.length ?? 0) > 0)
    assert.deepEqual(seen.to_device?.events.at(-1)?.content, { [text]: text })
  })

  test('NUL in a profile or the name of a device is kept or refused', async () => {
    const { alice } = server
    for (const [path, field] of [
      [`/_matrix/client/v3/profile/${alice.userId}/displayname`, 'displayname'],
      [`/_matrix/client/v3/profile/${alice.userId}/org.example.field`, 'org.example.field'],
      [`/_matrix/client/v3/devices/${alice.deviceId}`, 'display_name'],
    ] as const) {
      const answer = await server.ask({ method: 'PUT', path, body: JSON.stringify({ [field]: text }) })
      if (answer.status === 200) assert.equal((await alice.ok('GET', path))[field], text)
      else assertRefused(answer, 400, /^M_(?:BAD_JSON|INVALID_PARAM)$/, path)
    }
  })

  test('NUL in the type or key of a new room’s state is refused, and no room is made', async () => {
    const { alice } = server
    const rooms = await alice.ok('GET', '/_matrix/client/v3/joined_rooms')
    for (const state of [
      { type: text, content: {} },
      { type: 'org.example.x', state_key: text, content: {} },
    ]) {
      const body = JSON.stringify({ initial_state: [state] })
      const answer = await server.ask({ method: 'POST', path: '/_matrix/client/v3/createRoom', body })
      assertRefused(answer, 400, 'M_BAD_JSON', body)
    }
    assert.deepEqual(await alice.ok('GET', '/_matrix/client/v3/joined_rooms'), rooms)
  })

  test('half a surrogate pair is refused in every field', async () => {
    const newest = await newestEvents(server.alice, server.roomId)
    for (const { method, path, body } of samples()) {
      for (const half of ['\\ud800', '\\udc00', '\\udc00\\ud800', '\\ud83dx']) {
        const bad = `{"odd":"${half}",${JSON.stringify(body).slice(1)}`
        assertRefused(await server.ask({ method, path, body: bad }), 400, 'M_NOT_JSON', `${method} ${path}`)
        const badKey = `{"${half}":1,${JSON.stringify(body).slice(1)}`
        assertRefused(await server.ask({ method, path, body: badKey }), 400, 'M_NOT_JSON', `${method} ${path}`)
      }
    }
    assert.deepEqual(await newestEvents(server.alice, server.roomId), newest)
  })

  test('a whole surrogate pair is a character', async () => {
    const path = `${room}/send/org.example.pair/p${txn++}`
    const answer = await server.ask({ method: 'PUT', path, body: '{"body":"\\ud83d\\ude00"}' })
    const id = encodeURIComponent(String(answer.body['event_id']))
    assert.deepEqual((await server.bob.ok<{ content: Json }>('GET', `${room}/event/${id}`)).content, { body: '😀' })
  })
})

test('the process is well after all of it', () => server.probe())
