/** Bodies that are not JSON, or JSON that Matrix does not allow: refused before anything happens, by every endpoint that has a body. */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import {
  assertRefused,
  newestEvents,
  startBadInputServer,
  type BadInputServer,
  type RawAnswer,
} from '../support/bad-input.ts'
import type { Json } from '../support/matrix.ts'

let server: BadInputServer
let endpoints: readonly (readonly [method: string, path: string])[]
/** Those whose bodies end in an event, so that canonical JSON's rules hold for them. */
let eventEndpoints: readonly (readonly [method: string, path: string])[]
let txn = 0

before(async () => {
  server = await startBadInputServer()
  const room = `/_matrix/client/v3/rooms/${encodeURIComponent(server.roomId)}`
  const user = `/_matrix/client/v3/user/${encodeURIComponent(server.alice.userId)}`
  const eventId = await server.alice.text(server.roomId, 'an event')
  eventEndpoints = [
    ['PUT', `${room}/send/m.room.message/bad`],
    ['PUT', `${room}/state/org.example.state/key`],
    ['POST', '/_matrix/client/v3/createRoom'],
  ]
  endpoints = [
    ...eventEndpoints,
    ['PUT', `${room}/redact/${encodeURIComponent(eventId)}/bad`],
    ['POST', `${room}/invite`],
    ['POST', `${room}/leave`],
    ['POST', `${room}/receipt/m.read/${encodeURIComponent(eventId)}`],
    ['POST', `${room}/read_markers`],
    ['PUT', `${room}/typing/${encodeURIComponent(server.alice.userId)}`],
    ['PUT', `${user}/account_data/org.example.data`],
    ['PUT', `${user}/rooms/${encodeURIComponent(server.roomId)}/account_data/org.example.data`],
    ['PUT', `${user}/rooms/${encodeURIComponent(server.roomId)}/tags/u.work`],
    ['POST', `${user}/filter`],
    ['PUT', '/_matrix/client/v3/pushrules/global/content/bad'],
    ['PUT', `/_matrix/client/v3/profile/${encodeURIComponent(server.alice.userId)}/displayname`],
    ['PUT', `/_matrix/client/v3/devices/${server.alice.deviceId}`],
    ['PUT', '/_matrix/client/v3/sendToDevice/org.example.note/bad'],
    ['POST', '/_matrix/client/v3/keys/upload'],
    ['POST', '/_matrix/client/v3/keys/query'],
    ['POST', '/_matrix/client/v3/register'],
    ['POST', '/_matrix/client/v3/login'],
    ['POST', '/_matrix/client/v3/account/password'],
  ]
})
after(() => server[Symbol.asyncDispose]())

/** The body `{"x": <bytes>}`. */
function member(bytes: readonly number[] | string): Buffer {
  return Buffer.concat([Buffer.from('{"x":'), Buffer.from(bytes as string), Buffer.from('}')])
}

async function refusedByAll(
  list: typeof endpoints,
  body: Uint8Array | string,
  errcode: string | RegExp,
): Promise<void> {
  const newest = await newestEvents(server.alice, server.roomId)
  for (const [method, path] of list) {
    const answer = await server.ask({ method, path, body })
    assertRefused(answer, 400, errcode, `${method} ${path}`)
  }
  assert.deepEqual(await newestEvents(server.alice, server.roomId), newest)
}

function send(body: string, type = 'org.example.input'): Promise<RawAnswer> {
  const path = `/_matrix/client/v3/rooms/${encodeURIComponent(server.roomId)}/send/${type}/json${txn++}`
  return server.ask({ method: 'PUT', path, body })
}

async function sentContent(body: string): Promise<Json> {
  const answer = await send(body)
  assert.equal(answer.status, 200, JSON.stringify(answer.body))
  const eventId = encodeURIComponent(String(answer.body['event_id']))
  const path = `/_matrix/client/v3/rooms/${encodeURIComponent(server.roomId)}/event/${eventId}`
  return (await server.bob.ok<{ content: Json }>('GET', path)).content
}

describe('bytes that are not UTF-8', () => {
  const quoted = (...bytes: number[]): number[] => [0x22, ...bytes, 0x22]
  const bodies: readonly (readonly [string, Uint8Array])[] = [
    ['a byte that never occurs', member(quoted(0xff))],
    ['a sequence that breaks off', member(quoted(0xc3, 0x28))],
    ['an overlong NUL', member(quoted(0xc0, 0x80))],
    ['an encoded surrogate', member(quoted(0xed, 0xa0, 0x80))],
    ['a code point beyond Unicode', member(quoted(0xf4, 0x90, 0x80, 0x80))],
    ['a byte order mark at the start', Buffer.from('\ufeff{}')],
    ['UTF-16', Buffer.from('{"x":"y"}', 'utf16le')],
  ]
  for (const [name, body] of bodies) {
    test(`${name} is refused by every endpoint`, () => refusedByAll(endpoints, body, 'M_NOT_JSON'))
  }

  test('a byte order mark inside a string is a character like any other', async () => {
    assert.deepEqual(await sentContent('{"x":"a\ufeffb"}'), { x: 'a\ufeffb' })
  })
})

describe('text that is not JSON', () => {
  const bodies = [
    '',
    ' ',
    '{',
    '{"a":1,}',
    "{'a':1}",
    '{"a":01}',
    '{"a":1}{"b":2}',
    '{"a":undefined}',
    '{"a":"\n"}',
  ]
  for (const body of bodies) {
    test(`${JSON.stringify(body)} is refused`, async () => {
      // An absent body counts as {} for endpoints that need none.
      const list = body === '' ? eventEndpoints.slice(0, 2) : endpoints
      await refusedByAll(list, body, 'M_NOT_JSON')
    })
  }

  for (const body of ['null', 'true', '17', '"text"', '[]', '[{}]']) {
    test(`${body} in place of an object is refused`, () => refusedByAll(endpoints, body, 'M_BAD_JSON'))
  }
})

describe('numbers', () => {
  for (const number of ['9007199254740991', '-9007199254740991', '0', '-1']) {
    test(`${number} is kept as it is`, async () => {
      assert.deepEqual(await sentContent(`{"n":${number}}`), { n: Number(number) })
    })
  }

  for (const number of [
    '9007199254740992',
    '-9007199254740992',
    '9007199254740993',
    '1.1',
    '1.0',
    '1e2',
    '-0',
    '1E400',
  ]) {
    test(`${number} is refused where an event comes of it, at any depth`, async () => {
      await refusedByAll(eventEndpoints, `{"n":${number}}`, 'M_BAD_JSON')
      await refusedByAll(eventEndpoints, `{"a":[{"n":[1,${number}]}]}`, 'M_BAD_JSON')
    })
  }

  for (const number of ['NaN', 'Infinity', '0x10', '+1', '.5', '1.', '1_000']) {
    test(`${number} is not JSON`, () => refusedByAll(endpoints, `{"n":${number}}`, 'M_NOT_JSON'))
  }

  test('numbers that canonical JSON forbids are refused in what is signed', async () => {
    const { alice } = server
    const keys = `{"user_id":"${alice.userId}","device_id":"${alice.deviceId}","algorithms":[],"keys":{},"signatures":{},"n":1.5}`
    const answer = await server.ask({
      method: 'POST',
      path: '/_matrix/client/v3/keys/upload',
      body: `{"device_keys":${keys}}`,
    })
    assertRefused(answer, 400, 'M_BAD_JSON')
  })

  test('power levels must be integers', async () => {
    for (const level of ['1.5', '"50"', '9007199254740992', 'null', '[50]', '{}']) {
      for (const body of [`{"ban":${level}}`, `{"users":{"${server.alice.userId}":${level}}}`]) {
        const path = `/_matrix/client/v3/rooms/${encodeURIComponent(server.roomId)}/state/m.room.power_levels`
        const answer = await server.ask({ method: 'PUT', path, body })
        assertRefused(answer, answer.status === 403 ? 403 : 400, /^M_(?:BAD_JSON|FORBIDDEN)$/)
      }
    }
  })
})

describe('nesting', () => {
  const nested = (depth: number): string => '{"a":'.repeat(depth - 1) + '{}' + '}'.repeat(depth - 1)
  const arrays = (depth: number): string => `{"a":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`

  test('a hundred levels are kept as they are', async () => {
    assert.deepEqual(await sentContent(nested(100)), JSON.parse(nested(100)))
    assert.deepEqual(await sentContent(arrays(100)), JSON.parse(arrays(100)))
  })

  for (const depth of [101, 1000, 5000, 30_000]) {
    test(`${depth} levels are refused by every endpoint`, async () => {
      await refusedByAll(endpoints, arrays(depth), 'M_BAD_JSON')
      await refusedByAll(eventEndpoints, nested(depth), 'M_BAD_JSON')
    })
  }

  test('a filter in the query of a request may not be nested more deeply either', async () => {
    const filter = encodeURIComponent(nested(1000))
    const room = `/_matrix/client/v3/rooms/${encodeURIComponent(server.roomId)}`
    for (const path of [
      `/_matrix/client/v3/sync?filter=${filter}`,
      `${room}/messages?dir=b&filter=${filter}`,
    ]) {
      assertRefused(await server.ask({ method: 'GET', path }), 400, /^M_(?:BAD_JSON|NOT_JSON|INVALID_PARAM)$/)
    }
  })
})

describe('keys', () => {
  test('an event is hashed with its keys in the order of code points', async () => {
    const content = '{"\ue000":1,"😀":2,"10":3,"9":4,"a":{"\ue000":1,"😀":2,"Z":[]}}'
    const answer = await send(content)
    const eventId = String(answer.body['event_id'])
    const [row] = await server.database.reads.sql<{ json: string }[]>`
      select json from event where event_id = ${eventId}`
    const event = JSON.parse(row?.json ?? '{}') as Json
    const { hashes, signatures: _signatures, unsigned: _unsigned, ...hashed } = event
    assert.deepEqual(event['content'], JSON.parse(content))
    assert.deepEqual(hashes, { sha256: sha256(reference(hashed)).toString('base64').replace(/=+$/, '') })
    const redacted = { ...hashed, content: {}, hashes }
    assert.equal(eventId, `$${sha256(reference(redacted)).toString('base64url')}`)
  })

  test('of two equal keys one value is kept, and everybody sees the same', async () => {
    const content = await sentContent('{"body":"first","body":"second"}')
    assert.deepEqual(content, { body: 'second' })
  })

  test('a key that is written with an escape is not taken for one that somebody else has sent', async () => {
    const theirs = '{"msgtype":"m.text","body":"x","org.example":{"a":1,"\\\\":2}}'
    for (let i = 0; i < 3; i++) await sentContent(theirs)
    const content = await sentContent('{"msgtype":"m.text","body":"x","org.example":{"a":1,"\\u0001":2}}')
    assert.deepEqual(Object.keys(content['org.example'] as object).toSorted(), ['\u0001', 'a'])
  })

  const odd =
    '{"__proto__":{"admin":true},"constructor":{"prototype":{"admin":true}},"hasOwnProperty":1,"toString":2}'

  test('names that JavaScript knows are data in events', async () => {
    const content = await sentContent(odd)
    assert.equal(JSON.stringify(content), JSON.stringify(JSON.parse(odd)))
  })

  test('names that JavaScript knows are data in state, account data and profiles', async () => {
    const { alice, roomId } = server
    const room = encodeURIComponent(roomId)
    const user = `/_matrix/client/v3/user/${encodeURIComponent(alice.userId)}`
    for (const path of [
      `/_matrix/client/v3/rooms/${room}/state/org.example.odd/__proto__`,
      `${user}/account_data/__proto__`,
      `${user}/rooms/${room}/account_data/constructor`,
    ]) {
      const answer = await server.ask({ method: 'PUT', path, body: odd })
      assert.equal(answer.status, 200, `${path}: ${JSON.stringify(answer.body)}`)
      const read = await server.ask({ method: 'GET', path })
      assert.equal(JSON.stringify(read.body), JSON.stringify(JSON.parse(odd)), path)
    }
  })

  test('names that JavaScript knows change nothing in settings', async () => {
    const user = `/_matrix/client/v3/user/${encodeURIComponent(server.alice.userId)}`
    for (const [method, path] of [
      ['POST', `${user}/filter`],
      ['POST', '/_matrix/client/v3/keys/query'],
      ['POST', '/_matrix/client/v3/keys/claim'],
      ['POST', '/_matrix/client/v3/login'],
    ] as const) {
      const answer = await server.ask({ method, path, body: odd })
      assert.ok(answer.status < 500, `${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
    }
    const rooms = `{"room":{"__proto__":{"not_types":["*"]}}}`
    const filtered = await server.ask({
      method: 'GET',
      path: `/_matrix/client/v3/sync?filter=${encodeURIComponent(rooms)}`,
    })
    assert.ok(filtered.status === 200 || filtered.status === 400)
    await server.probe()
  })
})

test('the process is well after all of it', () => server.probe())

function sha256(text: string): Buffer {
  return createHash('sha256').update(text, 'utf8').digest()
}

/** Canonical JSON as the specification words it, written without a look at the server's own. */
function reference(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(reference).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value).map(([key, each]) => ({
    key,
    text: `${JSON.stringify(key)}:${reference(each)}`,
  }))
  // The bytes of UTF-8 have the order of the code points.
  members.sort((left, right) => Buffer.compare(Buffer.from(left.key), Buffer.from(right.key)))
  return `{${members.map(({ text }) => text).join(',')}}`
}
