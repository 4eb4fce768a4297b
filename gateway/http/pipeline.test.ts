import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { connect } from 'node:net'
import { Readable } from 'node:stream'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { MatrixError } from '#protocol/errors.ts'
import { parseUserId } from '#protocol/ids/user-id.ts'
import { BusError } from '#actors/bus/bus.ts'
import { systemClock } from '#actors/runtime/clock.ts'
import { startEndpointServer } from '#test/support/endpoint-server.ts'
import type { Fault } from '../events.ts'
import { anyJsonObject } from './body.ts'
import { Answer, defineEndpoint } from './endpoint.ts'
import { RateLimiter } from './rate-limit.ts'
import { HttpServer } from './server.ts'

const alice = { userId: parseUserId('@alice:localhost'), deviceId: 'D', admin: false, expiresAt: undefined }
const sessions = { good: alice, old: { ...alice, expiresAt: 1 } }

const whoami = defineEndpoint({
  method: 'GET',
  path: ['/v3/whoami', '/r0/whoami'],
  auth: 'user',
  rateLimit: 'none',
  body: { kind: 'none' },
  handle: ({ requester }) => ({ user: requester.userId }),
})

const echo = defineEndpoint({
  method: 'PUT',
  path: '/echo/:first/:second',
  auth: 'none',
  rateLimit: 'none',
  body: { kind: 'json', schema: anyJsonObject, grammar: 'event', maxBytes: 1000 },
  handle: ({ params, body, query }) => ({ ...params, body, query: query.get('q') }),
})

const form = defineEndpoint({
  method: 'POST',
  path: '/form',
  auth: 'none',
  rateLimit: 'none',
  body: {
    kind: 'json',
    optional: true,
    schema: z.object({
      name: z.string().exactOptional(),
      inner: z.object({ must: z.string() }).exactOptional(),
      id: z
        .string()
        .refine((id) => id !== 'bad', { params: { errcode: 'M_INVALID_PARAM' }, message: 'must be good' })
        .exactOptional(),
    }),
  },
  handle: ({ body }) => ({ name: body.name ?? null }),
})

function failing(path: string, thrown: unknown) {
  return defineEndpoint({
    method: 'GET',
    path,
    auth: 'optional',
    rateLimit: 'none',
    body: { kind: 'none' },
    handle: () => {
      throw thrown
    },
  })
}

interface Reply {
  readonly status: number
  readonly body: Record<string, unknown>
  readonly headers: Headers
}

async function call(url: string, init?: RequestInit): Promise<Reply> {
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(10_000) })
  return {
    status: response.status,
    body: (await response.json()) as Record<string, unknown>,
    headers: response.headers,
  }
}

function bearer(token: string): RequestInit {
  return { headers: { authorization: `Bearer ${token}` } }
}

function putJson(body: string | Uint8Array<ArrayBuffer>): RequestInit {
  return { method: 'PUT', body }
}

describe('routing', () => {
  it('answers unknown paths with 404 and known ones with another method with 405, both with CORS', async () => {
    await using server = await startEndpointServer({ endpoints: [whoami] })
    const unknown = await call(`${server.url}/nothing`)
    assert.equal(unknown.status, 404)
    assert.equal(unknown.body['errcode'], 'M_UNRECOGNIZED')
    assert.equal(unknown.headers.get('access-control-allow-origin'), '*')
    const wrong = await call(`${server.url}/v3/whoami`, { method: 'PATCH' })
    assert.equal(wrong.status, 405)
    assert.equal(wrong.body['errcode'], 'M_UNRECOGNIZED')
  })

  it('answers OPTIONS everywhere without a token', async () => {
    await using server = await startEndpointServer({ endpoints: [whoami] })
    const response = await fetch(`${server.url}/v3/whoami`, { method: 'OPTIONS' })
    assert.equal(response.status, 200)
    assert.match(response.headers.get('access-control-allow-headers') ?? '', /Authorization/)
    assert.equal(await response.text(), '')
  })

  it('decodes each segment once and refuses empty and broken ones', async () => {
    await using server = await startEndpointServer({ endpoints: [echo] })
    const reply = await call(`${server.url}/echo/%23a%2Fb%2525/%C3%A9+?q=x%20y`, putJson('{}'))
    assert.deepEqual(reply.body, { first: '#a/b%25', second: 'é+', body: {}, query: 'x y' })
    assert.equal((await call(`${server.url}/echo/a/`, putJson('{}'))).status, 404)
    assert.equal((await call(`${server.url}/echo//b`, putJson('{}'))).status, 404)
    const broken = await call(`${server.url}/echo/%ff/b`, putJson('{}'))
    assert.equal(broken.status, 400)
    assert.equal(broken.body['errcode'], 'M_INVALID_PARAM')
  })

  it('refuses U+0000 in paths and queries, and takes a percent sign before 00 for what it is', async () => {
    await using server = await startEndpointServer({ endpoints: [echo] })
    for (const target of ['/echo/a%00/b', '/echo/a/b?q=%00']) {
      const refused = await call(server.url + target, putJson('{}'))
      assert.equal(refused.status, 400)
      assert.equal(refused.body['errcode'], 'M_INVALID_PARAM')
    }
    const reply = await call(`${server.url}/echo/a%2500/b?q=%2500`, putJson('{}'))
    assert.deepEqual(reply.body, { first: 'a%00', second: 'b', body: {}, query: '%00' })
  })
})

describe('access tokens', () => {
  it('are taken from the header and from the query', async () => {
    await using server = await startEndpointServer({ endpoints: [whoami], sessions })
    assert.deepEqual((await call(`${server.url}/v3/whoami`, bearer('good'))).body, {
      user: '@alice:localhost',
    })
    assert.equal((await call(`${server.url}/r0/whoami?access_token=good`)).status, 200)
  })

  it('are demanded, and an empty one is none', async () => {
    await using server = await startEndpointServer({ endpoints: [whoami], sessions })
    for (const init of [
      undefined,
      { headers: { authorization: 'Bearer' } },
      { headers: { authorization: 'Bearer ' } },
    ]) {
      const reply = await call(`${server.url}/v3/whoami`, init)
      assert.equal(reply.status, 401)
      assert.equal(reply.body['errcode'], 'M_MISSING_TOKEN')
    }
  })

  it('that are unknown or expired are told apart by soft_logout', async () => {
    await using server = await startEndpointServer({ endpoints: [whoami], sessions })
    const unknown = await call(`${server.url}/v3/whoami`, bearer('bad'))
    assert.deepEqual(
      [unknown.status, unknown.body['errcode'], unknown.body['soft_logout']],
      [401, 'M_UNKNOWN_TOKEN', false],
    )
    const expired = await call(`${server.url}/v3/whoami`, bearer('old'))
    assert.deepEqual(
      [expired.status, expired.body['errcode'], expired.body['soft_logout']],
      [401, 'M_UNKNOWN_TOKEN', true],
    )
  })

  it('may be absent but not wrong where they are optional', async () => {
    const open = failing('/open', new MatrixError('M_NOT_FOUND', 'reached'))
    await using server = await startEndpointServer({ endpoints: [open], sessions })
    assert.equal((await call(`${server.url}/open`)).status, 404)
    assert.equal((await call(`${server.url}/open`, bearer('bad'))).status, 401)
  })
})

describe('bodies', () => {
  it('keep every key of an event, also __proto__', async () => {
    await using server = await startEndpointServer({ endpoints: [echo] })
    const response = await fetch(`${server.url}/echo/a/b`, putJson('{"__proto__":{"x":1},"k":[1,"2"]}'))
    assert.match(await response.text(), /"body":\{"__proto__":\{"x":1\},"k":\[1,"2"\]\}/)
  })

  it('that are not JSON, not UTF-8, or not allowed as an event are refused by name', async () => {
    await using server = await startEndpointServer({ endpoints: [echo] })
    const cases: [string | Uint8Array<ArrayBuffer>, string][] = [
      ['', 'M_NOT_JSON'],
      ['{', 'M_NOT_JSON'],
      [new Uint8Array([0x7b, 0xff, 0x7d]), 'M_NOT_JSON'],
      ['[]', 'M_BAD_JSON'],
      ['{"n":1.5}', 'M_BAD_JSON'],
      ['{"n":9007199254740993}', 'M_BAD_JSON'],
    ]
    for (const [body, errcode] of cases) {
      const reply = await call(`${server.url}/echo/a/b`, putJson(body))
      assert.deepEqual([reply.status, reply.body['errcode']], [400, errcode], String(body))
    }
  })

  it('name the field that is missing or wrong, with the code that the schema chose', async () => {
    await using server = await startEndpointServer({ endpoints: [form] })
    const post = (body: string) => call(`${server.url}/form`, { method: 'POST', body })
    const missing = await post('{"inner":{}}')
    assert.deepEqual(missing.body, {
      errcode: 'M_MISSING_PARAM',
      error: 'The field "inner.must" is missing.',
    })
    const wrong = await post('{"name":5}')
    assert.equal(wrong.body['errcode'], 'M_BAD_JSON')
    assert.match(String(wrong.body['error']), /"name"/)
    assert.deepEqual((await post('{"id":"bad"}')).body, {
      errcode: 'M_INVALID_PARAM',
      error: 'The field "id" must be good.',
    })
    assert.deepEqual((await post('')).body, { name: null })
  })

  it('larger than allowed are refused whether announced or not, and compressed ones too', async () => {
    await using server = await startEndpointServer({ endpoints: [echo] })
    const announced = await call(`${server.url}/echo/a/b`, putJson(`{"x":"${'y'.repeat(2000)}"}`))
    assert.deepEqual([announced.status, announced.body['errcode']], [413, 'M_TOO_LARGE'])
    const chunks = Readable.toWeb(Readable.from([Buffer.from('{"x":"'), Buffer.alloc(2000, 'y')]))
    const streamed = await call(`${server.url}/echo/a/b`, {
      method: 'PUT',
      body: chunks as ReadableStream,
      duplex: 'half',
    } as RequestInit)
    assert.equal(streamed.status, 413)
    const packed = await call(`${server.url}/echo/a/b`, {
      ...putJson('{}'),
      headers: { 'content-encoding': 'gzip' },
    })
    assert.equal(packed.status, 415)
  })

  it('far larger than allowed are answered, though the client is still sending', async () => {
    await using server = await startEndpointServer({ endpoints: [echo] })
    const body = Buffer.alloc(32 * 1024 * 1024, 'y')
    for (let time = 0; time < 10; time++) {
      const refused = await call(`${server.url}/echo/a/b`, { method: 'PUT', body })
      assert.deepEqual([refused.status, refused.body['errcode']], [413, 'M_TOO_LARGE'])
    }
  })

  it('that never end are read no further after the answer, and their connection is ended', async () => {
    await using server = await startEndpointServer({ endpoints: [echo] })
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
    let answer = ''
    socket.on('data', (bytes) => (answer += bytes.toString('latin1')))
    socket.on('error', () => {})
    await once(socket, 'connect')
    socket.write('PUT /echo/a/b HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\n')
    const chunk = Buffer.alloc(1024 * 1024, 'y')
    const send = (): boolean => socket.write(chunk, () => socket.writable && send())
    send()
    const closed = Promise.withResolvers<void>()
    socket.on('close', () => closed.resolve())
    await closed.promise
    assert.match(answer, /^HTTP\/1\.1 413 /)
    assert.ok(socket.bytesWritten < 100_000_000, `${socket.bytesWritten} bytes were written`)
  })

  it('that were sent whole and read in part only end their connection with the answer, so that nothing else is asked over it', async () => {
    await using server = await startEndpointServer({ endpoints: [echo] })
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
    const ended = Promise.withResolvers<string>()
    let answer = ''
    socket.on('data', (bytes) => (answer += bytes.toString('latin1')))
    socket.on('end', () => ended.resolve(answer))
    socket.on('error', () => {})
    await once(socket, 'connect')
    const body = Buffer.alloc(1024 * 1024 + 60_000, 'y')
    socket.write(`PUT /echo/a/b HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n`)
    socket.write(body)
    const late = delay(1000, 'the connection is still open', { ref: false })
    assert.match(await Promise.race([ended.promise, late]), /^HTTP\/1\.1 413 /)
  })

  it('cut off by the client end the request without an answer or a fault', async () => {
    await using server = await startEndpointServer({ endpoints: [echo] })
    const faults: unknown[] = []
    const onFault = (report: unknown): void => void faults.push(report)
    subscribe('troupe:fault', onFault)
    const gone = Promise.withResolvers<unknown>()
    const onDone = (done: unknown): void => gone.resolve(done)
    subscribe('troupe:request', onDone)
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
    await once(socket, 'connect')
    socket.write('PUT /echo/a/b HTTP/1.1\r\nhost: x\r\ncontent-length: 50\r\n\r\n{"a":', () =>
      socket.destroy(),
    )
    const done = (await gone.promise) as { status: number; route: string }
    assert.deepEqual([done.status, done.route], [499, '/echo/:first/:second'])
    assert.deepEqual(faults, [])
    unsubscribe('troupe:fault', onFault)
    unsubscribe('troupe:request', onDone)
  })
})

describe('failures', () => {
  it('carry the code, status and further fields of a MatrixError', async () => {
    const error = new MatrixError('M_LIMIT_EXCEEDED', 'Slow down.', { extra: { retry_after_ms: 1500 } })
    await using server = await startEndpointServer({ endpoints: [failing('/f', error)] })
    const reply = await call(`${server.url}/f`)
    assert.deepEqual(reply.body, { retry_after_ms: 1500, errcode: 'M_LIMIT_EXCEEDED', error: 'Slow down.' })
    assert.equal(reply.headers.get('retry-after'), '2')
  })

  it('of the bus are 503, and of the program 500 without its words but with a report', async () => {
    const faults: Fault[] = []
    const onFault = (report: unknown): void => void faults.push(report as Fault)
    subscribe('troupe:fault', onFault)
    const bug = new Error('secret detail')
    const endpoints = [
      failing('/bus', new BusError('timeout', 'late')),
      failing('/bug', new SuppressedError(new Error('later'), bug)),
    ]
    await using server = await startEndpointServer({ endpoints })
    const bus = await call(`${server.url}/bus`)
    assert.deepEqual(
      [bus.status, bus.body['errcode'], bus.headers.get('retry-after')],
      [503, 'M_UNKNOWN', '1'],
    )
    const internal = await call(`${server.url}/bug`)
    assert.deepEqual(internal.body, { errcode: 'M_UNKNOWN', error: 'Internal server error' })
    assert.equal(internal.status, 500)
    assert.equal(faults[1]?.error, bug)
    assert.equal(faults[1]?.where, '/bug')
    unsubscribe('troupe:fault', onFault)
  })

  it('of a connection to the database are 503, however it was lost', async () => {
    const codes = ['CONNECTION_DESTROYED', 'CONNECTION_CLOSED', 'CONNECT_TIMEOUT']
    const endpoints = codes.map((code) => failing(`/${code}`, Object.assign(new Error(code), { code })))
    await using server = await startEndpointServer({ endpoints })
    for (const code of codes) {
      const reply = await call(`${server.url}/${code}`)
      assert.deepEqual(
        [reply.status, reply.body['errcode'], reply.headers.get('retry-after')],
        [503, 'M_UNKNOWN', '1'],
      )
    }
  })

  it('half-way through a stream cut the connection', async () => {
    const half = defineEndpoint({
      method: 'GET',
      path: '/half',
      auth: 'none',
      rateLimit: 'none',
      body: { kind: 'none' },
      handle: () => {
        const source = Readable.from(
          (async function* () {
            yield 'part'
            await Promise.resolve()
            throw new Error('disk')
          })(),
        )
        return new Answer(200, { 'content-length': '100' }, source)
      },
    })
    await using server = await startEndpointServer({ endpoints: [half] })
    const response = fetch(`${server.url}/half`).then((whole) => whole.text())
    await assert.rejects(response)
  })
})

describe('rate limits', () => {
  it('are applied per user before the body is read', async () => {
    const limits = new RateLimiter({
      clock: systemClock,
      limits: { ...noLimits(), message: { burst: 1, perSecond: 0.001 } },
    })
    const send = defineEndpoint({
      method: 'PUT',
      path: '/send',
      auth: 'user',
      rateLimit: 'message',
      body: { kind: 'json', schema: anyJsonObject },
      handle: () => ({}),
    })
    const bob = { ...alice, userId: parseUserId('@bob:localhost') }
    await using server = await startEndpointServer({
      endpoints: [send],
      sessions: { good: alice, bob },
      limits,
    })
    const put = (token: string, body: string) =>
      call(`${server.url}/send`, { method: 'PUT', body, ...bearer(token) })
    assert.equal((await put('good', '{}')).status, 200)
    const limited = await put('good', 'nonsense')
    assert.equal(limited.status, 429)
    assert.ok(Number(limited.body['retry_after_ms']) > 0)
    assert.equal((await put('bob', '{}')).status, 200)
  })
})

function noLimits() {
  const none = { burst: 1e9, perSecond: 1e9 }
  return {
    message: none,
    join: none,
    invite: none,
    login: none,
    registration: none,
    read: none,
    write: none,
    media: none,
  }
}

describe('the listener', () => {
  it('answers what is under way when it ends, and refuses what comes then', async () => {
    const entered = Promise.withResolvers<void>()
    const release = Promise.withResolvers<void>()
    const slow = defineEndpoint({
      method: 'GET',
      path: '/slow',
      auth: 'none',
      rateLimit: 'none',
      body: { kind: 'none' },
      handle: async () => {
        entered.resolve()
        await release.promise
        return { done: true }
      },
    })
    await using server = await startEndpointServer({ endpoints: [slow] })
    const reply = call(`${server.url}/slow`)
    await entered.promise
    const closed = server.server.close(5000)
    await assert.rejects(call(`${server.url}/slow`))
    release.resolve()
    assert.deepEqual((await reply).body, { done: true })
    await closed
  })

  it('cuts what does not finish in time', async () => {
    const entered = Promise.withResolvers<AbortSignal>()
    const stuck = defineEndpoint({
      method: 'GET',
      path: '/stuck',
      auth: 'none',
      rateLimit: 'none',
      body: { kind: 'none' },
      handle: ({ signal }) => {
        entered.resolve(signal)
        return new Promise((_, reject) =>
          signal.addEventListener('abort', () => reject(signal.reason as Error)),
        )
      },
    })
    await using server = await startEndpointServer({ endpoints: [stuck] })
    const reply = assert.rejects(call(`${server.url}/stuck`))
    const signal = await entered.promise
    const aborted = once(signal, 'abort', { signal: AbortSignal.timeout(5000) })
    await server.server.close(50)
    await reply
    await aborted
  })

  it('names setting and remedy when its address is taken', async () => {
    await using server = await startEndpointServer({ endpoints: [whoami] })
    const port = Number(new URL(server.url).port)
    const second = HttpServer.listen({
      addresses: [{ host: '127.0.0.1', port }],
      key: 'TROUPE_LISTEN',
      handle: () => {},
      clock: systemClock,
    })
    await assert.rejects(
      second,
      /^ListenError: TROUPE_LISTEN=127\.0\.0\.1:\d+: another process listens there/,
    )
  })

  it('ends connections that do not finish their headers, and answers what is not HTTP', async () => {
    await using server = await startEndpointServer({ endpoints: [whoami], serverLimits: { headersMs: 100 } })
    const port = Number(new URL(server.url).port)
    const slow = connect(port, '127.0.0.1')
    slow.write('GET / HTTP/1.1\r\nx-slow: ')
    const [answer] = (await once(slow, 'data')) as [Buffer]
    assert.match(answer.toString(), /^HTTP\/1\.1 408 /)
    const odd = connect(port, '127.0.0.1')
    odd.write('nonsense\r\n\r\n')
    const [refusal] = (await once(odd, 'data')) as [Buffer]
    assert.match(refusal.toString(), /^HTTP\/1\.1 400 [\s\S]*"errcode":"M_UNKNOWN"/)
    slow.destroy()
    odd.destroy()
  })
})
