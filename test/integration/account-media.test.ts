/** Uploads and downloads through the real gateway, actors, Postgres and disk. */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Person } from '../support/account-people.ts'
import { startAccountServer, type AccountServer } from '../support/account-server.ts'

let server: AccountServer
let alice: Person

before(async () => {
  server = await startAccountServer({ environment: { TROUPE_MEDIA_MAX_BYTES: '100KiB' } })
  alice = await Person.register(server)
})

after(() => server[Symbol.asyncDispose]())

const bytes = Buffer.from(Array.from({ length: 5000 }, (_, n) => n % 251))

async function send(
  method: string,
  path: string,
  options: { type?: string; body?: Uint8Array<ArrayBuffer>; token?: string } = {},
): Promise<Response> {
  return fetch(`${server.url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${options.token ?? alice.token}`,
      ...(options.type === undefined ? {} : { 'content-type': options.type }),
    },
    ...(options.body === undefined ? {} : { body: options.body }),
  })
}

async function upload(query: string, type: string, body: Uint8Array<ArrayBuffer> = bytes): Promise<string> {
  const response = await send('POST', `/_matrix/media/v3/upload${query}`, { type, body })
  assert.equal(response.status, 200)
  const { content_uri: uri } = (await response.json()) as { content_uri: string }
  return uri.replace('mxc://', '')
}

const download = '/_matrix/client/v1/media/download'

test('an upload comes back byte by byte with its type and name, and harmless headers', async () => {
  const media = await upload('?filename=my%20%22picture%22.png', 'image/png')
  const response = await send('GET', `${download}/${media}`)
  assert.deepEqual(Buffer.from(await response.arrayBuffer()), bytes)
  assert.equal(response.headers.get('content-type'), 'image/png')
  assert.equal(response.headers.get('content-disposition'), 'inline; filename="my \\"picture\\".png"')
  assert.equal(response.headers.get('x-content-type-options'), 'nosniff')
  assert.equal(response.headers.get('cross-origin-resource-policy'), 'cross-origin')
  assert.match(response.headers.get('content-security-policy') ?? '', /sandbox; default-src 'none'/)
})

test('what a browser could run is served as an attachment', async () => {
  for (const type of ['text/html', 'TEXT/HTML; charset=utf-8', 'image/svg+xml', 'application/xhtml+xml']) {
    const response = await send('GET', `${download}/${await upload('', type)}`)
    await response.arrayBuffer()
    assert.equal(response.headers.get('content-disposition'), 'attachment')
  }
})

test('names in any writing come back, and cannot break out of their header', async () => {
  const names = [
    ['☕', "inline; filename*=utf-8''%E2%98%95"],
    ['../../etc/passwd', 'inline; filename="passwd"'],
    ['a\r\nset-cookie: x', 'inline; filename="aset-cookie: x"'],
    ['‮gnp.exe', 'inline; filename="gnp.exe"'],
  ] as const
  for (const [name, expected] of names) {
    const media = await upload(`?filename=${encodeURIComponent(name)}`, 'image/png')
    const response = await send('GET', `${download}/${media}`)
    await response.arrayBuffer()
    assert.equal(response.headers.get('content-disposition'), expected)
  }
  const other = await send('GET', `${download}/${await upload('', 'image/png')}/other.png`)
  await other.arrayBuffer()
  assert.equal(other.headers.get('content-disposition'), 'inline; filename="other.png"')
})

test('downloads need a token, and the older request serves nothing unless it is configured', async () => {
  const media = await upload('', 'image/png')
  assert.equal((await fetch(`${server.url}${download}/${media}`)).status, 401)
  assert.equal((await fetch(`${server.url}/_matrix/media/v3/download/${media}`)).status, 404)
})

test('an upload beyond the limit is refused, announced or not, and leaves nothing', async () => {
  const large = Buffer.alloc(101 * 1024)
  const announced = await send('POST', '/_matrix/media/v3/upload', { type: 'a/b', body: large })
  assert.equal(announced.status, 413)
  const streamed = await fetch(`${server.url}/_matrix/media/v3/upload`, {
    method: 'POST',
    headers: { authorization: `Bearer ${alice.token}` },
    body: new ReadableStream({
      start(controller) {
        controller.enqueue(large)
        controller.close()
      },
    }),
    duplex: 'half',
  } as RequestInit)
  assert.equal(streamed.status, 413)
  const config = await send('GET', '/_matrix/client/v1/media/config')
  assert.deepEqual(await config.json(), { 'm.upload.size': 102_400 })
})

test('a path that names no media opens no file', async () => {
  for (const path of [
    '..%2f..%2fetc/passwd',
    'test.local/..%2f..%2fpasswd',
    'test.local/%00',
    'test.local/unknown',
    'a/b',
  ]) {
    const response = await send('GET', `${download}/${path}`)
    assert.ok([400, 404].includes(response.status), `${path}: ${response.status}`)
  }
})

test('a media id that was created is filled once, by its owner, and waits for that', async () => {
  const created = await send('POST', '/_matrix/media/v1/create')
  const { content_uri: uri } = (await created.json()) as { content_uri: string }
  const media = uri.replace('mxc://', '')
  const early = await send('GET', `${download}/${media}?timeout_ms=0`)
  assert.equal(early.status, 504)
  assert.equal(((await early.json()) as { errcode: string }).errcode, 'M_NOT_YET_UPLOADED')
  const path = `/_matrix/media/v3/upload/${media}`
  const bob = await Person.register(server)
  assert.equal((await send('PUT', path, { body: bytes, token: bob.token })).status, 403)
  const waiting = send('GET', `${download}/${media}?timeout_ms=5000`)
  assert.equal((await send('PUT', path, { type: 'image/png', body: bytes })).status, 200)
  assert.deepEqual(Buffer.from(await (await waiting).arrayBuffer()), bytes)
  assert.equal((await send('PUT', path, { type: 'image/png', body: bytes })).status, 409)
  assert.equal(
    (await send('PUT', '/_matrix/media/v3/upload/test.local/unknown', { body: bytes })).status,
    404,
  )
})
