/** Requests that are wrong as HTTP, and bodies that never end: answered or cut off, in bounded memory, and nobody else notices. */

import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import { after, before, describe, test } from 'node:test'
import { assertRefused, startBadInputServer, type BadInputServer } from '../support/bad-input.ts'

let server: BadInputServer
let port: number

before(async () => {
  server = await startBadInputServer()
  port = Number(new URL(server.process.url).port)
})
after(() => server[Symbol.asyncDispose]())

/** Sends bytes over a connection of its own and gives all that comes back until the server closes it, or for the given time. */
function exchange(bytes: string | Buffer, waitMs = 3000): Promise<{ text: string; closed: boolean }> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    let text = ''
    const timer = setTimeout(() => done(false), waitMs)
    function done(closed: boolean): void {
      clearTimeout(timer)
      socket.destroy()
      resolve({ text, closed })
    }
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
    socket.on('error', () => done(true))
    socket.on('close', () => done(true))
    socket.write(bytes)
  })
}

function statuses(text: string): number[] {
  return [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map((match) => Number(match[1]))
}

const host = 'host: test.local\r\n'
const smuggled = `GET /_matrix/client/versions HTTP/1.1\r\n${host}\r\n`

describe('a request that two servers could read in two ways', () => {
  const post = `POST /_matrix/client/v3/login HTTP/1.1\r\n${host}`
  const cases: readonly (readonly [name: string, request: string])[] = [
    [
      'a length and chunks',
      `${post}content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    ],
    ['two lengths', `${post}content-length: 0\r\ncontent-length: 40\r\n\r\n${smuggled}`],
    ['a length with a sign', `${post}content-length: +5\r\n\r\n{"a":${smuggled}`],
    ['a length in base 16', `${post}content-length: 0x5\r\n\r\n{"a":${smuggled}`],
    ['a negative length', `${post}content-length: -1\r\n\r\n${smuggled}`],
    ['a coding that is not known', `${post}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n${smuggled}`],
    ['a coding after chunked', `${post}transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n${smuggled}`],
    ['a space before the colon', `${post}transfer-encoding : chunked\r\n\r\n0\r\n\r\n${smuggled}`],
    [
      'a chunk whose size is no number',
      `${post}transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n${smuggled}`,
    ],
    ['a header over two lines', `${post}x-a: b\r\n c: d\r\ncontent-length: 0\r\n\r\n`],
    ['NUL in a header', `${post}x-a: b\0c\r\ncontent-length: 0\r\n\r\n`],
    ['lines that end without a carriage return', `GET /_matrix/client/versions HTTP/1.1\nhost: x\n\n`],
    ['no HTTP at all', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    ['a space in its target', `GET /_matrix/client/ versions HTTP/1.1\r\n${host}\r\n`],
  ]
  for (const [name, request] of cases) {
    test(`by ${name} is answered 400 once, and the connection ends`, async () => {
      const { closed, text } = await exchange(Buffer.from(request, 'latin1'))
      assert.deepEqual(statuses(text), [400], text)
      assert.match(text, /"errcode":"M_/)
      assert.ok(closed)
    })
  }
})

test('a request without a host is answered 400', async () => {
  const { closed, text } = await exchange('GET /_matrix/client/versions HTTP/1.1\r\n\r\n')
  assert.deepEqual(statuses(text), [400])
  assert.ok(closed)
})

describe('headers', () => {
  const get = `GET /_matrix/client/versions HTTP/1.1\r\n${host}`

  test('of 64 KiB are too many', async () => {
    const { closed, text } = await exchange(`${get}x-a: ${'a'.repeat(65_536)}\r\n\r\n`)
    assert.deepEqual(statuses(text), [431])
    assert.ok(closed)
  })

  test('of 10,000 lines are too many', async () => {
    const { closed, text } = await exchange(`${get}${'x-a: b\r\n'.repeat(10_000)}\r\n`)
    assert.deepEqual(statuses(text), [431])
    assert.ok(closed)
  })

  test('with a token that is none are refused like any wrong token', async () => {
    for (const authorization of [
      'Bearer',
      'Bearer ',
      'Basic YTpi',
      'Bearer a b',
      `Bearer ${'a'.repeat(10_000)}`,
      'Bearer \xff',
    ]) {
      const { text } = await exchange(
        Buffer.from(
          `GET /_matrix/client/v3/sync HTTP/1.1\r\n${host}authorization: ${authorization}\r\nconnection: close\r\n\r\n`,
          'latin1',
        ),
      )
      assert.deepEqual(statuses(text), [401], authorization)
      assert.match(text, /"errcode":"M_(?:MISSING|UNKNOWN)_TOKEN"/)
    }
  })
})

test('a thousand requests in one packet are answered in their order', async () => {
  const paths = Array.from({ length: 1000 }, (_, index) =>
    index % 7 === 0 ? '/unknown' : '/_matrix/client/versions',
  )
  const requests = paths.map((path) => `GET ${path} HTTP/1.1\r\n${host}\r\n`)
  const last = `GET / HTTP/1.1\r\n${host}connection: close\r\n\r\n`
  const { closed, text } = await exchange(requests.join('') + last, 15_000)
  assert.ok(closed)
  assert.deepEqual(statuses(text), [...paths.map((path) => (path === '/unknown' ? 404 : 200)), 200])
})

test('methods that no endpoint has are refused', async () => {
  for (const method of ['PATCH', 'TRACE', 'PROPFIND', 'HEAD']) {
    const path = '/_matrix/client/v3/sync'
    const { text } = await exchange(
      `${method} ${path} HTTP/1.1\r\n${host}connection: close\r\ncontent-length: 0\r\n\r\n`,
    )
    assert.deepEqual(statuses(text), [405], method)
  }
})

test('connections that say nothing do not keep others out', async () => {
  const idle: Socket[] = []
  try {
    for (let count = 0; count < 500; count++) {
      const socket = connect(port, '127.0.0.1')
      socket.on('error', () => {})
      socket.write('GET / HTTP/1.1\r\nx-slow: ')
      idle.push(socket)
    }
    const started = performance.now()
    assert.equal((await fetch(`${server.process.url}/_matrix/client/versions`)).status, 200)
    assert.ok(performance.now() - started < 2000)
  } finally {
    for (const socket of idle) socket.destroy()
  }
})

describe('a body', () => {
  const routes = [
    '/_matrix/client/v3/login',
    '/_matrix/client/v3/createRoom',
    '/unknown',
    '/_matrix/client/versions',
    '/',
  ]
  const types = [
    'multipart/form-data; boundary=x',
    'application/x-www-form-urlencoded',
    'application/json',
    '',
  ]

  /** Bytes of memory that the process occupies. */
  async function memory(): Promise<number> {
    const text = await (await fetch(`${server.process.opsUrl}/metrics`)).text()
    return Number(/^process_resident_memory_bytes (\S+)$/m.exec(text)?.[1])
  }

  /** Sends pieces until the server stops it; gives the bytes that went out. */
  function pour(path: string, type: string): Promise<{ sent: number; text: string }> {
    return new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1')
      const piece = Buffer.alloc(65_536, 'a')
      let sent = 0
      let text = ''
      const timer = setTimeout(() => socket.destroy(), 10_000)
      socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
      socket.on('error', () => {})
      socket.on('close', () => {
        clearTimeout(timer)
        resolve({ sent, text })
      })
      socket.on('drain', more)
      const token = `authorization: Bearer ${server.alice.token}\r\n`
      const contentType = type === '' ? '' : `content-type: ${type}\r\n`
      socket.write(`POST ${path} HTTP/1.1\r\n${host}${token}${contentType}transfer-encoding: chunked\r\n\r\n`)
      more()
      function more(): void {
        while (!socket.destroyed && sent < 50_000_000) {
          sent += piece.length
          socket.write('10000\r\n')
          socket.write(piece)
          if (!socket.write('\r\n')) return
        }
      }
    })
  }

  test('without an end is cut off on every path, whatever its type, in bounded memory', async () => {
    const before = await memory()
    for (const path of routes) {
      for (const type of types) {
        const { sent, text } = await pour(path, type)
        assert.ok(sent < 20_000_000, `${path} took ${sent} bytes`)
        for (const status of statuses(text)) assert.ok([404, 405, 413].includes(status), `${path}: ${status}`)
      }
    }
    assert.ok((await memory()) - before < 100_000_000)
  })

  test('that is announced as too large is refused before it is sent', async () => {
    for (const length of ['500000000', '99999999999999']) {
      const token = `authorization: Bearer ${server.alice.token}\r\n`
      const head = `POST /_matrix/client/v3/createRoom HTTP/1.1\r\n${host}${token}content-length: ${length}\r\n\r\n`
      const { text } = await exchange(head, 1000)
      assert.deepEqual(statuses(text), [413], text)
      assert.match(text, /"errcode":"M_TOO_LARGE"/)
    }
  })

  test('that breaks off is nobody’s fault and changes nothing', async () => {
    const rooms = await server.alice.ok('GET', '/_matrix/client/v3/joined_rooms')
    const token = `authorization: Bearer ${server.alice.token}\r\n`
    const head = `POST /_matrix/client/v3/createRoom HTTP/1.1\r\n${host}${token}`
    await exchange(`${head}content-length: 100\r\n\r\n{}`, 200)
    await exchange(`${head}transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n`, 200)
    assert.deepEqual(await server.alice.ok('GET', '/_matrix/client/v3/joined_rooms'), rooms)
  })

  test('of another kind than JSON is refused, whatever it says it is', async () => {
    for (const type of [
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'text/plain',
      'a/b\u00e9',
    ]) {
      const answer = await server.ask({
        method: 'POST',
        path: '/_matrix/client/v3/createRoom',
        body: 'name=Hall&preset=public_chat',
        headers: { 'content-type': type },
      })
      assertRefused(answer, 400, 'M_NOT_JSON', type)
    }
  })

  test('that is compressed is refused unopened', async () => {
    const body = gzipSync(Buffer.alloc(20_000_000))
    for (const path of [
      '/_matrix/client/v3/createRoom',
      '/_matrix/client/v3/login',
      '/_matrix/media/v3/upload',
    ]) {
      for (const encoding of ['gzip', 'deflate', 'br', 'x-unknown']) {
        const answer = await server.ask({
          method: 'POST',
          path,
          body,
          headers: { 'content-encoding': encoding },
        })
        assertRefused(answer, 415, 'M_UNRECOGNIZED', `${path} ${encoding}`)
      }
    }
  })
})

test('the process is well after all of it', () => server.probe())
