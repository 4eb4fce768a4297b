/** What HTTP forbids, byte by byte over real sockets. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { Readable } from 'node:stream'
import { describe, it } from 'node:test'
import { startEndpointServer, type EndpointServer } from '#test/support/endpoint-server.ts'
import { anyJsonObject } from './body.ts'
import { Answer, defineEndpoint } from './endpoint.ts'

const limit = { timeout: 20_000 }

const hello = defineEndpoint({
  method: 'GET',
  path: '/hello',
  auth: 'none',
  rateLimit: 'none',
  body: { kind: 'none' },
  handle: () => ({ hello: true }),
})

const take = defineEndpoint({
  method: 'POST',
  path: '/take',
  auth: 'none',
  rateLimit: 'none',
  body: { kind: 'json', schema: anyJsonObject },
  handle: () => ({ taken: true }),
})

interface RawAnswer {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
}

/** Everything that comes back for some bytes until the server ends the connection. */
async function sendRaw(server: EndpointServer, bytes: string): Promise<string> {
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
  let text = ''
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
  socket.on('error', () => {})
  socket.write(Buffer.from(bytes, 'latin1'))
  await once(socket, 'close', { signal: AbortSignal.timeout(10_000) })
  return text
}

/** The one answer in a text. */
function only(text: string): RawAnswer {
  assert.equal(text.match(/HTTP\/1\.1 /g)?.length, 1, text)
  const [head = '', body = ''] = text.split('\r\n\r\n', 2)
  const [first = '', ...lines] = head.split('\r\n')
  const pairs = lines.map((line): [string, string] => {
    const [name = '', value = ''] = line.split(/: (.*)/s)
    return [name.toLowerCase(), value]
  })
  return { status: Number(first.split(' ')[1]), headers: new Map(pairs), body }
}

function assertError(answer: RawAnswer, status: number, errcode: string): void {
  assert.equal(answer.status, status, answer.body)
  const body = JSON.parse(answer.body) as Record<string, unknown>
  assert.equal(body['errcode'], errcode)
  assert.match(String(body['error']), /^[A-Z].*\.$/)
  assert.equal(answer.headers.get('content-type'), 'application/json')
  assert.equal(answer.headers.get('content-length'), String(Buffer.byteLength(answer.body)))
  assert.equal(answer.headers.get('connection')?.toLowerCase(), 'close')
  assert.equal(answer.headers.get('access-control-allow-origin'), '*')
  assert.match(answer.headers.get('access-control-allow-headers') ?? '', /Authorization/)
}

describe('a request that HTTP forbids is answered once, with an error code and for browsers too, and ends the connection', () => {
  const cases: readonly { name: string; bytes: string; status: number; errcode: string }[] = [
    { name: 'no Host', bytes: 'GET /hello HTTP/1.1\r\n\r\n', status: 400, errcode: 'M_UNKNOWN' },
    {
      name: 'no Host in a preflight',
      bytes: 'OPTIONS /hello HTTP/1.1\r\norigin: https://a\r\n\r\n',
      status: 400,
      errcode: 'M_UNKNOWN',
    },
    {
      name: 'no Host before a body and another request',
      bytes: `POST /take HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}GET /hello HTTP/1.1\r\nhost: a\r\n\r\n`,
      status: 400,
      errcode: 'M_UNKNOWN',
    },
    { name: 'no HTTP', bytes: 'nonsense\r\n\r\n', status: 400, errcode: 'M_UNKNOWN' },
    {
      name: 'a bad version',
      bytes: 'GET /hello HTTP/9.9\r\nhost: a\r\n\r\n',
      status: 400,
      errcode: 'M_UNKNOWN',
    },
    {
      name: 'headers without measure',
      bytes: `GET /hello HTTP/1.1\r\nhost: a\r\nx: ${'a'.repeat(20_000)}\r\n\r\n`,
      status: 431,
      errcode: 'M_TOO_LARGE',
    },
    {
      name: 'a target without measure',
      bytes: `GET /${'a'.repeat(20_000)} HTTP/1.1\r\nhost: a\r\n\r\n`,
      status: 431,
      errcode: 'M_TOO_LARGE',
    },
    {
      name: 'headers that do not end',
      bytes: 'GET /hello HTTP/1.1\r\nhost: a\r\nx: ',
      status: 408,
      errcode: 'M_UNKNOWN',
    },
    {
      name: 'a broken chunk',
      bytes: 'POST /take HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n',
      status: 400,
      errcode: 'M_UNKNOWN',
    },
    {
      name: 'an expectation that is not met',
      bytes: 'GET /hello HTTP/1.1\r\nhost: a\r\nexpect: miracles\r\n\r\n',
      status: 417,
      errcode: 'M_UNKNOWN',
    },
  ]
  for (const { bytes, errcode, name, status } of cases) {
    it(name, limit, async () => {
      await using server = await startEndpointServer({
        endpoints: [hello, take],
        serverLimits: { headersMs: 200 },
      })
      assertError(only(await sendRaw(server, bytes)), status, errcode)
    })
  }
})

it('HTTP/1.0 needs no Host, and an empty one is one', limit, async () => {
  await using server = await startEndpointServer({ endpoints: [hello] })
  assert.equal(only(await sendRaw(server, 'GET /hello HTTP/1.0\r\n\r\n')).status, 200)
  const empty = 'GET /hello HTTP/1.1\r\nhost:\r\nconnection: close\r\n\r\n'
  assert.equal(only(await sendRaw(server, empty)).status, 200)
})

it('what cannot be read never becomes a part of an answer that is under way', limit, async () => {
  const begun = Promise.withResolvers<void>()
  const long = defineEndpoint({
    method: 'GET',
    path: '/long',
    auth: 'none',
    rateLimit: 'none',
    body: { kind: 'none' },
    handle: () => {
      const stream = new Readable({ read() {} })
      stream.push('first part')
      begun.resolve()
      return new Answer(200, { 'content-type': 'text/plain' }, stream)
    },
  })
  await using server = await startEndpointServer({ endpoints: [long] })
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
  let text = ''
  const arrived = Promise.withResolvers<void>()
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1')
    if (text.includes('first part')) arrived.resolve()
  })
  socket.on('error', () => {})
  socket.write('GET /long HTTP/1.1\r\nhost: a\r\n\r\n')
  await begun.promise
  await arrived.promise
  const closed = once(socket, 'close', { signal: AbortSignal.timeout(10_000) })
  socket.write('nonsense\r\n\r\n')
  await closed
  assert.equal(text.match(/HTTP\/1\.1 /g)?.length, 1, text)
  assert.doesNotMatch(text, /errcode/)
})
