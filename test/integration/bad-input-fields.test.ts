/** Fields of bodies that have the wrong type or odd characters: refused with the field's name, or kept byte for byte. */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import {
  assertRefused,
  newestEvents,
  startBadInputServer,
  type BadInputServer,
} from '../support/bad-input.ts'
import type { Json } from '../support/matrix.ts'
import { requestSamples, type RequestSample } from '../support/request-samples.ts'

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

type Path = readonly (string | number)[]

/** The paths of all values inside a value. */
function places(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path]
  return [
    path,
    ...Object.entries(value).flatMap(([key, each]) =>
      places(each, [...path, Array.isArray(value) ? Number(key) : key]),
    ),
  ]
}

/** The value with another one at a path. */
function replaced(value: unknown, [key, ...rest]: Path, by: unknown): unknown {
  if (key === undefined) return by
  if (Array.isArray(value))
    return value.map((each: unknown, index) => (index === key ? replaced(each, rest, by) : each))
  const entries = Object.entries(value as Json)
  return Object.fromEntries(
    entries.map(([name, each]) => [name, name === key ? replaced(each, rest, by) : each]),
  )
}

/** The value with a key renamed. */
function renamed(value: unknown, path: Path, name: string): unknown {
  const [key, ...rest] = path
  const entries = Object.entries(value as Json)
  if (rest.length === 0)
    return Object.fromEntries(entries.map(([old, each]) => [old === key ? name : old, each]))
  return Array.isArray(value)
    ? value.map((each: unknown, index) => (index === key ? renamed(each, rest, name) : each))
    : Object.fromEntries(entries.map(([old, each]) => [old, old === key ? renamed(each, rest, name) : each]))
}

async function answersWell({ method, path }: RequestSample, body: unknown): Promise<void> {
  const answer = await server.ask({ method, path, body: JSON.stringify(body) })
  const seen = `${method} ${path} ${JSON.stringify(body).slice(0, 400)}: ${answer.status} ${JSON.stringify(answer.body)}`
  assert.ok(answer.status < 500, seen)
  if (answer.status < 400 || 'flows' in answer.body) return
  assertRefused(answer, answer.status, /^M_[A-Z_]+$/, seen)
}

/** Sends every sample once for each of its places, spoilt there; one after the other for each endpoint, all endpoints at once. */
async function spoilAll(spoil: (body: Json, path: Path) => unknown): Promise<void> {
  await Promise.all(
    requestSamples(server, eventId).map(async (sample) => {
      for (const path of places(sample.body)) {
        const body = spoil(sample.body, path)
        if (body !== undefined) await answersWell(sample, body)
      }
    }),
  )
}

describe('a field of a body', () => {
  test('is good in every sample before it is spoilt', async () => {
    for (const { method, path, body, status } of requestSamples(server, eventId)) {
      const answer = await server.ask({ method, path, body: JSON.stringify(body) })
      assert.equal(answer.status, status, `${method} ${path}: ${JSON.stringify(answer.body)}`)
    }
  })

  const odd: readonly unknown[] = [null, -1, 1.5, '', '\0', 'a'.repeat(70_000), [null], { a: {} }]

  for (const value of odd) {
    const name = JSON.stringify(value).slice(0, 20)
    test(`may be ${name} and never makes the server fail`, async () => {
      await spoilAll((body, path) => replaced(body, path, value))
    })
  }

  for (const key of ['\0', '__proto__', 'a'.repeat(300)]) {
    test(`may have the name ${JSON.stringify(key).slice(0, 24)} and never makes the server fail`, async () => {
      await spoilAll((body, path) => (typeof path.at(-1) === 'string' ? renamed(body, path, key) : undefined))
    })
  }

  test('that is missing or of the wrong type is named in the answer', async () => {
    const cases: readonly (readonly [path: string, body: Json, errcode: string, field: string])[] = [
      ['/_matrix/client/v3/createRoom', { preset: 'grand' }, 'M_BAD_JSON', 'preset'],
      ['/_matrix/client/v3/createRoom', { invite: 'bob' }, 'M_BAD_JSON', 'invite'],
      [
        '/_matrix/client/v3/createRoom',
        { initial_state: [{ content: {} }] },
        'M_MISSING_PARAM',
        'initial_state.0.type',
      ],
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
    for (const { method, path, body } of requestSamples(server, eventId)) {
      for (const half of ['\\ud800', '\\udc00', '\\udc00\\ud800', '\\ud83dx']) {
        const bad = `{"odd":"${half}",${JSON.stringify(body).slice(1)}`
        assertRefused(await server.ask({ method, path, body: bad }), 400, 'M_NOT_JSON', `${method} ${path}`)
        const badKey = `{"${half}":1,${JSON.stringify(body).slice(1)}`
        assertRefused(
          await server.ask({ method, path, body: badKey }),
          400,
          'M_NOT_JSON',
          `${method} ${path}`,
        )
      }
    }
    assert.deepEqual(await newestEvents(server.alice, server.roomId), newest)
  })

  test('a whole surrogate pair is a character', async () => {
    const path = `${room}/send/org.example.pair/p${txn++}`
    const answer = await server.ask({ method: 'PUT', path, body: '{"body":"\\ud83d\\ude00"}' })
    const id = encodeURIComponent(String(answer.body['event_id']))
    assert.deepEqual((await server.bob.ok<{ content: Json }>('GET', `${room}/event/${id}`)).content, {
      body: '😀',
    })
  })
})

test('the process is well after all of it', () => server.probe())
