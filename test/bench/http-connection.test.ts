import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { ask, HttpConnection, parseReply, requestText } from './http-connection.ts'

test('a reply is taken when it is whole, and not before', () => {
  const whole = Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello')
  for (let length = 0; length < whole.length; length++) {
    const missing = parseReply(whole.subarray(0, length))
    assert.ok(
      typeof missing === 'number' && missing > length && missing <= whole.length,
      `${length}: ${JSON.stringify(missing)}`,
    )
  }
  assert.deepEqual(parseReply(whole), { status: 200, body: Buffer.from('hello') })
})

test('chunks are put together', () => {
  const whole = Buffer.from(
    'HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n',
  )
  for (let length = 0; length < whole.length; length++) {
    const missing = parseReply(whole.subarray(0, length))
    assert.ok(
      typeof missing === 'number' && missing > length && missing <= whole.length,
      `${length}: ${JSON.stringify(missing)}`,
    )
  }
  assert.deepEqual(parseReply(whole), { status: 404, body: Buffer.from('abcde') })
})

test('one connection carries one request after another', async () => {
  const server = createServer((request, response) => {
    request.setEncoding('utf8')
    let body = ''
    request.on('data', (chunk: string) => (body += chunk))
    request.on('end', () =>
      response.end(`${request.method} ${request.url} ${request.headers.authorization} ${body}`),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const connection = new HttpConnection((server.address() as AddressInfo).port)
  const first = await ask(connection, requestText('PUT', '/a', 'token', '{"b":1}'))
  assert.equal(first.body.toString(), 'PUT /a Bearer token {"b":1}')
  const second = await ask(connection, requestText('GET', '/c', 'token'))
  assert.equal(second.body.toString(), 'GET /c Bearer token ')
  connection.close()
  server.close()
  await once(server, 'close')
})
