/** What one user may pile up: each heap has a limit, past it the answer says so, and taking away is always allowed. */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import {
  assertRefused,
  startBadInputServer,
  type BadInputServer,
  type RawAnswer,
} from '../support/bad-input.ts'
import type { Json } from '../support/matrix.ts'

let server: BadInputServer
let user: string
let room: string
let txn = 0

before(async () => {
  server = await startBadInputServer()
  user = `/_matrix/client/v3/user/${encodeURIComponent(server.alice.userId)}`
  room = `${user}/rooms/${encodeURIComponent(server.roomId)}`
})
after(() => server[Symbol.asyncDispose]())

function put(path: string, body: unknown): Promise<RawAnswer> {
  return server.ask({ method: 'PUT', path, body: JSON.stringify(body) })
}

describe('to-device messages', () => {
  const send = (content: Json): Promise<RawAnswer> =>
    put(`/_matrix/client/v3/sendToDevice/org.example.note/${txn++}`, {
      messages: { [server.bob.userId]: { '*': content } },
    })

  test('a content of 64 KiB arrives, a larger one is refused for all receivers', async () => {
    const since = (await server.bob.sync()).next_batch
    const overhead = JSON.stringify({ x: '' }).length
    assertRefused(await send({ x: 'a'.repeat(65_537 - overhead) }), 413, 'M_TOO_LARGE')
    const content = { x: 'a'.repeat(65_536 - overhead) }
    assert.equal((await send(content)).status, 200)
    const seen = await server.bob.syncUntil(since, ({ to_device }) => (to_device?.events.length ?? 0) > 0)
    assert.deepEqual(
      seen.to_device?.events.map((event) => event.content),
      [content],
    )
  })

  test('a transaction that is sent again arrives once', async () => {
    const since = (await server.bob.sync()).next_batch
    const path = `/_matrix/client/v3/sendToDevice/org.example.note/again`
    const messages = { [server.bob.userId]: { '*': { n: 1 } } }
    await Promise.all([put(path, { messages }), put(path, { messages }), put(path, { messages })])
    const seen = await server.bob.syncUntil(since, ({ to_device }) => (to_device?.events.length ?? 0) > 0)
    assert.equal(seen.to_device?.events.length, 1)
  })

  test('receivers that are no users get nothing and do not hinder the others', async () => {
    const since = (await server.bob.sync()).next_batch
    const messages = {
      bob: { '*': {} },
      '@nobody:test.local': { '*': {} },
      '@bob:te st': { '*': {} },
      '@bob:test.local:99999': { X: {} },
      '@someone:elsewhere.example': { X: {} },
      [server.bob.userId]: { 'no such device': {}, [server.bob.deviceId]: { mine: true } },
    }
    const answer = await put(`/_matrix/client/v3/sendToDevice/org.example.note/${txn++}`, { messages })
    assert.equal(answer.status, 200, JSON.stringify(answer.body))
    const seen = await server.bob.syncUntil(since, ({ to_device }) => (to_device?.events.length ?? 0) > 0)
    assert.deepEqual(
      seen.to_device?.events.map((event) => event.content),
      [{ mine: true }],
    )
  })
})

describe('keys', () => {
  const upload = (body: Json): Promise<RawAnswer> =>
    server.ask({ method: 'POST', path: '/_matrix/client/v3/keys/upload', body: JSON.stringify(body) })
  const deviceKeys = (change: Json): Json => ({
    device_keys: {
      user_id: server.alice.userId,
      device_id: server.alice.deviceId,
      algorithms: ['m.olm.v1.curve25519-aes-sha2'],
      keys: { [`ed25519:${server.alice.deviceId}`]: 'abc' },
      signatures: {},
      ...change,
    },
  })

  const bad: readonly (readonly [name: string, change: Json])[] = [
    ['of another user', { user_id: '@bob:test.local' }],
    ['of another device', { device_id: 'OTHER' }],
    ['without a user', { user_id: null }],
    ['with algorithms that are no list', { algorithms: 'all' }],
    ['with an algorithm that is no text', { algorithms: [1] }],
    ['with keys that are no object', { keys: ['abc'] }],
    ['with a key that is no text', { keys: { 'ed25519:X': { key: 'abc' } } }],
    ['with null for keys', { keys: null }],
    ['with signatures that are no object', { signatures: [] }],
    ['with a signature that is no text', { signatures: { '@alice:test.local': { x: 1 } } }],
    ['with a float', { unsigned: { x: 1.5 } }],
    ['of 100 KB', { padding: 'a'.repeat(100_000) }],
  ]
  for (const [name, change] of bad) {
    test(`device keys ${name} are refused, and nobody sees them`, async () => {
      assertRefused(await upload(deviceKeys(change)), 400, /^M_(?:BAD_JSON|INVALID_PARAM|TOO_LARGE)$/, name)
      const body = { device_keys: { [server.alice.userId]: [] } }
      const { device_keys } = await server.bob.ok<{ device_keys: Json }>(
        'POST',
        '/_matrix/client/v3/keys/query',
        body,
      )
      assert.deepEqual(device_keys[server.alice.userId], {})
    })
  }

  test('a one-time key that is none is refused, and none of the request is kept', async () => {
    const good = { 'signed_curve25519:AAAA': { key: 'abc', signatures: {} } }
    for (const odd of [
      { 'no colon': 'abc' },
      { 'signed_curve25519:BBBB': 17 },
      { 'signed_curve25519:BBBB': null },
      { 'signed_curve25519:BBBB': ['abc'] },
      { 'signed_curve25519:BB\0B': 'abc' },
      { 'signed_curve25519:BBBB': { key: 'a'.repeat(20_000) } },
      { [`signed_curve25519:${'B'.repeat(300)}`]: 'abc' },
    ]) {
      const seen = JSON.stringify(odd).slice(0, 60)
      const answer = await upload({ one_time_keys: { ...good, ...odd } })
      assertRefused(answer, answer.status, /^M_(?:BAD_JSON|INVALID_PARAM|TOO_LARGE)$/, seen)
      assert.ok(answer.status === 400 || answer.status === 413, seen)
    }
    assert.deepEqual((await upload({})).body, { one_time_key_counts: { signed_curve25519: 0 } })
  })

  test('a device has a limited number of one-time keys in store', async () => {
    const many = Array.from(
      { length: 2000 },
      (_, index) => [`signed_curve25519:K${index}`, { key: 'abc' }] as const,
    )
    assertRefused(await upload({ one_time_keys: Object.fromEntries(many) }), 413, 'M_TOO_LARGE')
    assert.equal((await upload({ one_time_keys: Object.fromEntries(many.slice(0, 50)) })).status, 200)
  })
})

describe('settings', () => {
  test('a filter of a megabyte is refused', async () => {
    const filter = { room: { not_rooms: Array.from({ length: 20_000 }, () => server.roomId) } }
    const answer = await server.ask({ method: 'POST', path: `${user}/filter`, body: JSON.stringify(filter) })
    assertRefused(answer, 413, 'M_TOO_LARGE')
  })

  test('a push rule of more than a kilobyte is refused, and the others stay', async () => {
    const path = '/_matrix/client/v3/pushrules/global/content'
    assert.equal((await put(`${path}/small`, { pattern: 'a', actions: ['notify'] })).status, 200)
    assertRefused(await put(`${path}/big`, { pattern: 'a'.repeat(2000), actions: [] }), 413, 'M_TOO_LARGE')
    assertRefused(await put(`${path}/${'x'.repeat(2000)}`, { pattern: 'a', actions: [] }), 413, 'M_TOO_LARGE')
    assert.equal((await server.ask({ method: 'GET', path: `${path}/small` })).status, 200)
    assert.equal((await server.ask({ method: 'DELETE', path: `${path}/small` })).status, 200)
  })

  test('a push rule whose pattern has many stars does not stop the server', async () => {
    const { alice, bob, roomId } = server
    const rule = { pattern: `${'*a'.repeat(200)}*b`, actions: ['notify'] }
    assert.equal((await put('/_matrix/client/v3/pushrules/global/content/stars', rule)).status, 200)
    const since = (await alice.sync()).next_batch
    const sent = await bob.text(roomId, 'a'.repeat(10_000))
    const started = performance.now()
    await alice.syncUntil(since, ({ rooms }) =>
      (rooms?.join?.[roomId]?.timeline?.events ?? []).some((event) => event.event_id === sent),
    )
    assert.ok(performance.now() - started < 2000)
  })

  test('a room has a limited number of tags; removing one makes place for another', async () => {
    const tag = (name: string): string => `${room}/tags/${name}`
    let refused: RawAnswer | undefined
    let count = 0
    for (; count < 1000 && refused === undefined; count++) {
      const answer = await put(tag(`u.${count}`), {})
      if (answer.status !== 200) refused = answer
    }
    assert.ok(refused !== undefined, 'a thousand tags were taken')
    assertRefused(refused, 413, 'M_TOO_LARGE')
    assert.equal((await put(tag('u.0'), { order: 0.5 })).status, 200)
    assert.equal((await server.ask({ method: 'DELETE', path: tag('u.0') })).status, 200)
    assert.equal((await put(tag('u.other'), {})).status, 200)
  })

  test('the name of a tag has at most 255 bytes', async () => {
    assertRefused(await put(`${room}/tags/${'a'.repeat(256)}`, {}), 400, 'M_INVALID_PARAM')
    assertRefused(
      await put(`${room}/tags/${encodeURIComponent('é'.repeat(128))}`, {}),
      400,
      'M_INVALID_PARAM',
    )
  })

  test('account data has a total size; making an item smaller is always allowed', async () => {
    const big = { x: 'a'.repeat(1_000_000) }
    let refused: RawAnswer | undefined
    let count = 0
    for (; count < 30 && refused === undefined; count++) {
      const answer = await put(`${user}/account_data/org.example.big${count}`, big)
      if (answer.status !== 200) refused = answer
    }
    assert.ok(refused !== undefined, '30 MB of account data were taken')
    assertRefused(refused, 413, 'M_TOO_LARGE')
    for (let index = 0; index < count - 1; index++) {
      assert.equal((await put(`${user}/account_data/org.example.big${index}`, {})).status, 200)
    }
    assert.equal((await put(`${user}/account_data/org.example.last`, big)).status, 200)
    assert.equal((await put(`${user}/account_data/org.example.last`, {})).status, 200)
  })

  test('a profile has 64 KiB in all, a display name 256 characters, a field’s name 255 bytes', async () => {
    const profile = `/_matrix/client/v3/profile/${server.alice.userId}`
    const field = 'org.example.field'
    assertRefused(
      await put(`${profile}/${field}`, { [field]: 'a'.repeat(65_536) }),
      400,
      'M_PROFILE_TOO_LARGE',
    )
    const name = 'a'.repeat(256)
    assertRefused(await put(`${profile}/${name}`, { [name]: 1 }), 400, 'M_KEY_TOO_LARGE')
    assertRefused(await put(`${profile}/displayname`, { displayname: 'a'.repeat(1000) }), 400, /^M_/)
    assertRefused(
      await put(`${profile}/avatar_url`, { avatar_url: 'a'.repeat(10_000) }),
      400,
      'M_INVALID_PARAM',
    )
    assertRefused(await put(`${profile}/Not A Name`, { 'Not A Name': 1 }), 400, 'M_INVALID_PARAM')
  })

  test('the name of a device has a limit', async () => {
    const path = `/_matrix/client/v3/devices/${server.alice.deviceId}`
    assertRefused(
      await put(path, { display_name: 'a'.repeat(10_000) }),
      400,
      /^M_(?:BAD_JSON|INVALID_PARAM)$/,
    )
  })

  test('somebody else’s settings are nobody’s business', async () => {
    const other = `/_matrix/client/v3/user/${encodeURIComponent(server.bob.userId)}`
    for (const path of [
      `${other}/account_data/x`,
      `${other}/rooms/${encodeURIComponent(server.roomId)}/tags/u.x`,
    ]) {
      assertRefused(await put(path, {}), 403, 'M_FORBIDDEN', path)
    }
    const profile = `/_matrix/client/v3/profile/${server.bob.userId}/displayname`
    assertRefused(await put(profile, { displayname: 'Bob' }), 403, 'M_FORBIDDEN')
  })
})

test('the process is well after all of it', () => server.probe())
