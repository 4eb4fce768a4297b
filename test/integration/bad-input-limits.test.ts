/** Sizes and identifiers at their limits: what just fits is taken, what does not is refused and changes nothing. */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import {
  assertRefused,
  newestEvents,
  serverName,
  startBadInputServer,
  type BadInputServer,
} from '../support/bad-input.ts'
import { login, type Json } from '../support/matrix.ts'

let server: BadInputServer
let room: string
let eventId: string
let txn = 0

before(async () => {
  server = await startBadInputServer()
  room = `/_matrix/client/v3/rooms/${encodeURIComponent(server.roomId)}`
  eventId = await server.alice.text(server.roomId, 'an event')
})
after(() => server[Symbol.asyncDispose]())

describe('sizes', () => {
  const ofLength = (length: number): string => JSON.stringify({ body: 'a'.repeat(length) })
  const send = (body: string, type = 'm.x'): ReturnType<BadInputServer['ask']> =>
    server.ask({ method: 'PUT', path: `${room}/send/${type}/s${txn++}`, body })

  test('an event may have 65,536 bytes with its signature and not one more', async () => {
    const first = await send(ofLength(60_000))
    const [row] = await server.database.reads.sql<{ size: number }[]>`
      select octet_length(json) as size from event where event_id = ${String(first.body['event_id'])}`
    // The signature is added later, and its length is that of the key's name.
    const without = row?.size ?? 0
    let fits = 60_000
    let tooLong = 60_000 + 65_536 - without + 1
    assertRefused(await send(ofLength(tooLong)), 413, 'M_TOO_LARGE')
    while (tooLong - fits > 1) {
      const length = Math.floor((fits + tooLong) / 2)
      const { status } = await send(ofLength(length))
      if (status === 200) fits = length
      else tooLong = length
    }
    const reserved = 65_536 - without - (fits - 60_000)
    assert.ok(reserved > 86 && reserved < 250, `${reserved} bytes are kept for the signature`)
  })

  test('bytes are counted, not characters', async () => {
    assert.equal((await send(JSON.stringify({ body: '€'.repeat(21_000) }))).status, 200)
    assertRefused(await send(JSON.stringify({ body: '€'.repeat(22_000) })), 413, 'M_TOO_LARGE')
  })

  test('a state event and a redaction have the same limit', async () => {
    const body = ofLength(65_536)
    const state = await server.ask({ method: 'PUT', path: `${room}/state/org.example.big`, body })
    assertRefused(state, 413, 'M_TOO_LARGE')
    const path = `${room}/redact/${encodeURIComponent(eventId)}/s${txn++}`
    const reason = JSON.stringify({ reason: 'a'.repeat(65_536) })
    assertRefused(await server.ask({ method: 'PUT', path, body: reason }), 413, 'M_TOO_LARGE')
    const intact = await server.alice.ok<{ content: Json }>(
      'GET',
      `${room}/event/${encodeURIComponent(eventId)}`,
    )
    assert.equal(intact.content['body'], 'an event')
  })

  const names: readonly (readonly [string, string, boolean])[] = [
    ['255 letters', 'a'.repeat(255), true],
    ['256 letters', 'a'.repeat(256), false],
    ['127 letters of two bytes', 'é'.repeat(127), true],
    ['128 letters of two bytes', 'é'.repeat(128), false],
  ]
  for (const [name, text, fits] of names) {
    test(`a type or state key of ${name} ${fits ? 'fits' : 'is too long'}`, async () => {
      const encoded = encodeURIComponent(text)
      for (const path of [
        `send/${encoded}/s${txn++}`,
        `state/${encoded}`,
        `state/org.example.x/${encoded}`,
      ]) {
        const answer = await server.ask({ method: 'PUT', path: `${room}/${path}`, body: '{}' })
        if (fits) assert.equal(answer.status, 200, path)
        else assertRefused(answer, 413, 'M_TOO_LARGE', path)
      }
    })
  }

  test('a body that is larger than any endpoint takes is refused', async () => {
    assertRefused(await send(ofLength(1024 * 1024)), 413, 'M_TOO_LARGE')
  })
})

describe('identifiers', () => {
  const malformed = [
    'bob',
    'bob:test.local',
    '@bob',
    '@bob:',
    '@bob:test.local:99999',
    '@bob:test.local:port',
    '@bob:te st.local',
    '@bob:test.local\n',
    '@bo\0b:test.local',
    `@${'b'.repeat(256)}:test.local`,
    `@${'é'.repeat(128)}:test.local`,
    '!bob:test.local',
    '',
  ]

  for (const id of malformed) {
    test(`${JSON.stringify(id).slice(0, 40)} is no user id`, async () => {
      const newest = await newestEvents(server.alice, server.roomId)
      for (const action of ['invite', 'kick', 'ban', 'unban']) {
        const answer = await server.ask({
          method: 'POST',
          path: `${room}/${action}`,
          body: JSON.stringify({ user_id: id }),
        })
        assertRefused(answer, 400, 'M_INVALID_PARAM', action)
      }
      const create = JSON.stringify({ invite: [id] })
      assertRefused(
        await server.ask({ method: 'POST', path: '/_matrix/client/v3/createRoom', body: create }),
        400,
        'M_INVALID_PARAM',
      )
      const levels = JSON.stringify({ users: { [server.alice.userId]: 100, [id]: 50 } })
      const set = await server.ask({ method: 'PUT', path: `${room}/state/m.room.power_levels`, body: levels })
      assertRefused(set, 400, 'M_BAD_JSON', levels)
      const member = await server.ask({
        method: 'PUT',
        path: `${room}/state/m.room.member/${encodeURIComponent(id)}`,
        body: '{"membership":"invite"}',
      })
      assertRefused(member, 400, /^M_(?:BAD_JSON|INVALID_PARAM)$/, 'a member event')
      assert.deepEqual(await newestEvents(server.alice, server.roomId), newest)
    })
  }

  for (const id of [
    'room',
    '!',
    '!:test.local',
    '!room',
    '!room:',
    '!room:test.local:99999',
    '!ro\nom:te st',
    '#room:test.local',
  ]) {
    test(`${JSON.stringify(id)} is no room id`, async () => {
      for (const rest of ['send/m.x/1', 'state/m.x', 'typing/x', 'redact/$x/1']) {
        const path = `/_matrix/client/v3/rooms/${encodeURIComponent(id)}/${rest}`
        const answer = await server.ask({ method: 'PUT', path, body: '{"typing":true}' })
        assertRefused(
          answer,
          rest === 'typing/x' ? answer.status : 400,
          /^M_(?:INVALID_PARAM|FORBIDDEN)$/,
          path,
        )
      }
    })
  }

  test('a user name outside the grammar is refused', async () => {
    for (const username of ['Ali ce', 'ali\nce', 'é', '@x', 'a:b', 'a\0', 'a'.repeat(256), '']) {
      const body = JSON.stringify({ username, password: 'a long enough password' })
      const answer = await server.ask({ method: 'POST', path: '/_matrix/client/v3/register', body })
      assertRefused(answer, 400, 'M_INVALID_USERNAME', username)
    }
  })

  test('a device id outside the grammar is refused', async () => {
    for (const device_id of ['', 'a\0', 'a'.repeat(256)]) {
      const body = JSON.stringify({
        type: 'm.login.password',
        identifier: { type: 'm.id.user', user: 'alice' },
        password: 'correct horse battery',
        device_id,
      })
      assertRefused(
        await server.ask({ method: 'POST', path: '/_matrix/client/v3/login', body }),
        400,
        'M_INVALID_PARAM',
      )
    }
    await login(server.process.url, `@alice:${serverName}`, undefined, 'a'.repeat(255))
  })
})

test('the process is well after all of it', () => server.probe())
