/** Uploads and downloads with hostile names and types: nothing leaves the store, nothing runs in a browser, no header is split. */

import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { assertRefused, askRaw, startBadInputServer, type BadInputServer } from '../support/bad-input.ts'

let server: BadInputServer
let dataDir: string

before(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'troupe-media-'))
  server = await startBadInputServer({ TROUPE_DATA_DIR: dataDir })
})
after(async () => {
  await server[Symbol.asyncDispose]()
  await rm(dataDir, { recursive: true, force: true })
})

const download = '/_matrix/client/v1/media/download'

/** Uploads some bytes and gives the path of the file. */
async function uploaded(contentType: string, fileName?: string): Promise<string> {
  const query = fileName === undefined ? '' : `?filename=${encodeURIComponent(fileName)}`
  const { body, status } = await server.ask({
    method: 'POST',
    path: `/_matrix/media/v3/upload${query}`,
    body: '<script>alert(1)</script>',
    headers: { 'content-type': contentType },
  })
  assert.equal(status, 200, JSON.stringify(body))
  return String(body['content_uri']).slice('mxc://'.length)
}

async function downloaded(path: string): Promise<Headers> {
  const answer = await server.ask({ method: 'GET', path: `${download}/${path}` })
  assert.equal(answer.status, 200, path)
  return answer.headers
}

describe('a path that leads elsewhere', () => {
  for (const path of [
    'test.local/..%2F..%2Fetc%2Fpasswd',
    'test.local/..%5C..%5Cx',
    'test.local/%2e%2e',
    'test.local/%2Fetc%2Fpasswd',
    'test.local/a%00b',
    'test.local/%C0%AE%C0%AE',
    'a%2F..%2Fb/media',
    '..%2F../media',
    '../media',
    '%2e%2e/media',
    `test.local/${'a'.repeat(300)}`,
    'test.local/a%20b',
    'test.local/é',
    'test local/media',
    'test.local:99999/media',
  ]) {
    test(`${path.slice(0, 40)} is refused`, async () => {
      const answer = await server.ask({ method: 'GET', path: `${download}/${path}` })
      assertRefused(answer, answer.status, /^M_(?:INVALID_PARAM|NOT_FOUND|UNRECOGNIZED)$/, path)
      assert.ok(answer.status === 400 || answer.status === 404, path)
    })
  }

  test('media of another server is not found, and nobody is asked for it', async () => {
    const answer = await server.ask({ method: 'GET', path: `${download}/127.0.0.1:1/media` })
    assertRefused(answer, 404, 'M_NOT_FOUND')
  })

  test('the file name in a path is a name, not a place', async () => {
    const path = await uploaded('text/plain')
    const headers = await downloaded(`${path}/..%2F..%2Fetc%2Fpasswd`)
    assert.equal(headers.get('content-disposition'), 'inline; filename="passwd"')
  })

  test('nothing lies outside of the store', async () => {
    await uploaded('text/plain', '../../outside.txt')
    const files = await readdir(dataDir, { recursive: true })
    assert.ok(files.length > 0)
    assert.deepEqual(
      files.filter((name) => !name.startsWith('media')),
      [],
    )
  })
})

describe('a type that a browser would run', () => {
  for (const type of [
    'text/html',
    'Text/HTML; charset=utf-8',
    'text/html;foo',
    'image/svg+xml',
    'application/xhtml+xml',
    'text/xml',
    'application/javascript',
    'multipart/x-mixed-replace',
    'text/plain, text/html',
    'nonsense',
    '',
  ]) {
    test(`${JSON.stringify(type)} is sent as a download that may do nothing`, async () => {
      const headers = await downloaded(await uploaded(type))
      assert.match(headers.get('content-disposition') ?? '', /^attachment/)
      assert.match(headers.get('content-security-policy') ?? '', /^sandbox; default-src 'none'/)
      assert.equal(headers.get('x-content-type-options'), 'nosniff')
      assert.equal(headers.get('cross-origin-resource-policy'), 'cross-origin')
    })
  }

  test('a picture is shown, with the same protection', async () => {
    const headers = await downloaded(await uploaded('image/png'))
    assert.match(headers.get('content-disposition') ?? '', /^inline/)
    assert.match(headers.get('content-security-policy') ?? '', /^sandbox/)
  })
})

describe('a file name', () => {
  const names: readonly (readonly [name: string, fileName: string, wanted: RegExp])[] = [
    ['with a line break', 'a\r\nset-cookie: x=1', /^attachment; filename="aset-cookie: x=1"$/],
    ['with quotes', 'a"; filename="b.html', /^attachment; filename="a\\"; filename=\\"b\.html"$/],
    ['with a backslash at its end', 'a\\', /^attachment$|^attachment; filename="[^"\\]*"$/],
    [
      'with letters beyond ASCII',
      'naïve ☃.txt',
      /^attachment; filename\*=utf-8''na%C3%AFve%20%E2%98%83\.txt$/,
    ],
    [
      'with a mark that turns the direction of writing',
      'a\u202egpj.exe',
      /^attachment; filename="agpj\.exe"$/,
    ],
    ['of 10,000 letters', 'a'.repeat(10_000), /^attachment; filename="a{1,255}"$/],
  ]
  for (const [name, fileName, wanted] of names) {
    test(`${name} stays in one header`, async () => {
      const headers = await downloaded(await uploaded('application/octet-stream', fileName))
      assert.match(headers.get('content-disposition') ?? '', wanted)
      assert.equal(headers.get('set-cookie'), null)
    })
  }
})

describe('an upload', () => {
  test('that is too large is refused by its announcement and by its size', async () => {
    const { 'm.upload.size': limit } = await server.alice.ok<{ 'm.upload.size': number }>(
      'GET',
      '/_matrix/client/v1/media/config',
    )
    const body = Buffer.alloc(limit + 1)
    const answer = await askRaw(server.alice, { method: 'POST', path: '/_matrix/media/v3/upload', body })
    assertRefused(answer, 413, 'M_TOO_LARGE')
    const pieces = Array.from({ length: 8 }, () => Buffer.alloc(Math.ceil(limit / 7)))
    const unannounced = await fetch(`${server.alice.url}/_matrix/media/v3/upload`, {
      method: 'POST',
      headers: { authorization: `Bearer ${server.alice.token}` },
      body: Readable.toWeb(Readable.from(pieces)),
      duplex: 'half',
      signal: AbortSignal.timeout(10_000),
    } as RequestInit)
    assert.equal(unannounced.status, 413)
    assert.match(await unannounced.text(), /M_TOO_LARGE/)
  })

  test('to a media id that nobody created, or that is taken, is refused', async () => {
    const put = (path: string): ReturnType<BadInputServer['ask']> =>
      server.ask({ method: 'PUT', path: `/_matrix/media/v3/upload/${path}`, body: 'x' })
    assertRefused(await put('test.local/nobody'), 404, 'M_NOT_FOUND')
    assertRefused(await put('elsewhere.example/media'), 404, 'M_NOT_FOUND')
    assertRefused(await put('test.local/..%2Fx'), 400, 'M_INVALID_PARAM')
    assertRefused(await put(await uploaded('text/plain')), 409, 'M_CANNOT_OVERWRITE_MEDIA')
  })

  test('needs an account, and so does a download', async () => {
    const nobody = { authorization: 'Bearer nonsense' }
    const path = await uploaded('text/plain')
    const up = { method: 'POST', path: '/_matrix/media/v3/upload', body: 'x', headers: nobody }
    assertRefused(await server.ask(up), 401, 'M_UNKNOWN_TOKEN')
    assertRefused(
      await server.ask({ method: 'GET', path: `${download}/${path}`, headers: nobody }),
      401,
      'M_UNKNOWN_TOKEN',
    )
    const old = await server.ask({
      method: 'GET',
      path: `/_matrix/media/v3/download/${path}`,
      headers: nobody,
    })
    assertRefused(old, 404, 'M_NOT_FOUND')
  })
})

test('the process is well after all of it', () => server.probe())
