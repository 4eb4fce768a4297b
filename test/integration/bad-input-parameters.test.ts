/** Whatever stands in a path or a query: the specification's error or an answer, and never a failure of the server. */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { clientEndpoints } from '#gateway/client/endpoints.ts'
import { assertRefused, startBadInputServer, type BadInputServer } from '../support/bad-input.ts'

let server: BadInputServer
let valid: Readonly<Record<string, string>>
let room: string

before(async () => {
  server = await startBadInputServer()
  const { alice, roomId } = server
  const eventId = await alice.text(roomId, 'an event')
  room = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}`
  valid = {
    roomId,
    roomIdOrAlias: roomId,
    eventId,
    userId: alice.userId,
    eventType: 'org.example.input',
    stateKey: 'key',
    type: 'org.example.input',
    txnId: 'bad-parameters',
    deviceId: 'NOBODY',
    receiptType: 'm.read',
    relType: 'm.thread',
    tag: 'u.work',
    keyName: 'org.example.field',
    kind: 'content',
    ruleId: 'bad',
    filterId: 'none',
    version: '1',
    sessionId: 'session',
    serverName: 'test.local',
    mediaId: 'none',
    fileName: 'name',
  }
})
after(() => server[Symbol.asyncDispose]())

/** Methods and paths of all endpoints, each under its present name. */
const routes = clientEndpoints.map(({ body, method, path }) => ({
  method,
  pattern: typeof path === 'string' ? path : (path[0] ?? ''),
  hasBody: body.kind !== 'none',
}))

function filled(pattern: string, odd?: { name: string; value: string }): string {
  return pattern.replaceAll(/:([A-Za-z]+)/g, (_match, name: string) =>
    odd?.name === name ? odd.value : encodeURIComponent(valid[name] ?? 'x'),
  )
}

/** Asks and wants anything but a failure; the rest is the endpoint's own tests' business. */
async function answersWell(route: (typeof routes)[number], path: string): Promise<number> {
  const { hasBody, method } = route
  const answer = await server.ask({ method, path, ...(hasBody ? { body: '{}' } : {}) })
  const seen = `${method} ${path.slice(0, 300)}: ${answer.status} ${JSON.stringify(answer.body).slice(0, 300)}`
  assert.ok(answer.status < 500, seen)
  if (answer.status >= 400)
    assert.ok(typeof answer.body['errcode'] === 'string' || 'flows' in answer.body, seen)
  return answer.status
}

describe('a parameter of a path', () => {
  const odd: readonly (readonly [name: string, encoded: string])[] = [
    ['NUL', 'a%00b'],
    ['only NUL', '%00'],
    ['a line break', 'a%0Ab'],
    ['a mark that turns the direction of writing', '%E2%80%AEabc'],
    ['300 characters', 'a'.repeat(300)],
    ['128 characters in 256 bytes', '%C3%A9'.repeat(128)],
    ['a path to elsewhere', '..%2F..%2Fetc%2Fpasswd'],
    ['a backslash', '..%5C..%5Cx'],
    ['a name that JavaScript knows', '__proto__'],
    ['a percent sign', '%25'],
    ['a room id with an impossible port', '!a%3Aexample.org%3A99999'],
    ['a user id without a domain', '%40alice%3A'],
    ['a user id with a space', '%40al%20ice%3Atest.local'],
    ['an event id with a NUL', '%24a%00b'],
    ['SQL', "'%3B%20drop%20table%20event%3B--"],
  ]
  for (const [name, value] of odd) {
    test(`may be ${name}`, async () => {
      for (const route of routes) {
        const names = [...route.pattern.matchAll(/:([A-Za-z]+)/g)].map((match) => match[1] ?? '')
        for (const param of names) await answersWell(route, filled(route.pattern, { name: param, value }))
      }
    })
  }

  for (const value of ['%ED%A0%80', '%FF', '%C0%AF', '%', '%zz']) {
    test(`${value} is not percent-encoded UTF-8 and is refused everywhere`, async () => {
      for (const { method, pattern, hasBody } of routes) {
        const name = /:([A-Za-z]+)/.exec(pattern)?.[1]
        if (name === undefined) continue
        const path = filled(pattern, { name, value })
        const answer = await server.ask({ method, path, ...(hasBody ? { body: '{}' } : {}) })
        assertRefused(answer, 400, 'M_INVALID_PARAM', `${method} ${path}`)
      }
    })
  }

  test('may be empty only where the specification says so', async () => {
    for (const path of [
      '/_matrix/client/v3/rooms//state',
      `${room}/event/`,
      `${room}/send//1`,
      `${room}/send/m.x/`,
    ]) {
      const method = path.includes('/send/') ? 'PUT' : 'GET'
      assertRefused(await server.ask({ method, path }), 404, 'M_UNRECOGNIZED', path)
    }
  })
})

/** Query parameters that endpoints read, by the end of their paths. */
const queries: Readonly<Record<string, readonly string[]>> = {
  '/sync': ['since', 'timeout', 'filter', 'full_state', 'set_presence', 'use_state_after'],
  '/messages': ['limit', 'from', 'to', 'dir', 'filter'],
  '/context/:eventId': ['limit', 'filter'],
  '/members': ['at', 'membership', 'not_membership'],
  '/threads': ['limit', 'from', 'include'],
  '/relations/:eventId': ['limit', 'from', 'to', 'dir', 'recurse'],
  '/timestamp_to_event': ['ts', 'dir'],
  '/keys/changes': ['from', 'to'],
  '/state/:eventType/:stateKey': ['format'],
  '/register/available': ['username'],
  '/validity': ['token'],
  '/room_keys/keys': ['version'],
}

describe('a parameter of a query', () => {
  const odd = [
    '-1',
    '0',
    '1000000000',
    '1e400',
    'abc',
    '9007199254740993',
    '%00',
    '%ED%A0%80',
    '%7B',
    '1.5',
    '',
  ]
  const base: Readonly<Record<string, string>> = { dir: 'b', ts: '1', from: '', to: '' }
  const gets = routes.filter(({ method }) => method === 'GET')

  for (const value of odd) {
    test(`may be ${JSON.stringify(value)}`, async () => {
      for (const [end, names] of Object.entries(queries)) {
        const route = gets.find(({ pattern }) => pattern.endsWith(end))
        assert.ok(route !== undefined, end)
        for (const name of names) {
          // A wait of 10⁹ milliseconds is cut to what a request may take; the test does not sit through it.
          if (name === 'timeout' && value === '1000000000') continue
          const query = Object.entries({ ...base, [name]: value }).map(([key, each]) => `${key}=${each}`)
          await answersWell(route, `${filled(route.pattern)}?${query.join('&')}`)
        }
      }
    })
  }

  test('a limit that is no number from 0 upwards is refused, a huge one is cut', async () => {
    for (const limit of ['-1', 'abc', '1e400', '1.5']) {
      const answer = await server.ask({ method: 'GET', path: `${room}/messages?dir=b&limit=${limit}` })
      assertRefused(answer, 400, 'M_INVALID_PARAM', limit)
    }
    const { body, status } = await server.ask({
      method: 'GET',
      path: `${room}/messages?dir=b&limit=1000000000`,
    })
    assert.equal(status, 200)
    assert.ok(Array.isArray(body['chunk']) && body['chunk'].length > 0)
  })

  test('a token that this server did not give is refused where a room is read', async () => {
    for (const name of ['from', 'to']) {
      const answer = await server.ask({ method: 'GET', path: `${room}/messages?dir=b&${name}=s123_456` })
      assertRefused(answer, 400, 'M_INVALID_PARAM', name)
    }
  })

  test('a sync token that is none is refused', async () => {
    for (const since of ['nonsense', '%00', 's', '-1', 'a'.repeat(3000)]) {
      const answer = await server.ask({ method: 'GET', path: `/_matrix/client/v3/sync?since=${since}` })
      assertRefused(answer, 400, 'M_INVALID_PARAM', since)
    }
  })
})

test('a sync token of another version of the program starts a fresh sync', async () => {
  const { body, status } = await server.ask({ method: 'GET', path: '/_matrix/client/v3/sync?since=s123_456' })
  assert.equal(status, 200, JSON.stringify(body))
  assert.equal(typeof body['next_batch'], 'string')
})

test('the process is well after all of it', () => server.probe())
