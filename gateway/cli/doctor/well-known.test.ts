import assert from 'node:assert/strict'
import type { RequestListener } from 'node:http'
import { describe, it } from 'node:test'
import { serving } from '#test/support/loopback.ts'
import { loadConfig } from '../../config/load.ts'
import type { Config } from '../../config/schema.ts'
import type { Finding } from './finding.ts'
import { baseUrlOf, examineWellKnown, wellKnownUrl } from './well-known.ts'

const limit = { timeout: 20_000 }
const documentPath = '/.well-known/matrix/client'
const publicUrl = 'https://matrix.example.org'
const right = `{"m.homeserver":{"base_url":"${publicUrl}"}}`

function configOf(environment: Record<string, string> = {}): Config {
  const texts = { TROUPE_SERVER_NAME: 'example.org', TROUPE_PUBLIC_URL: publicUrl, ...environment }
  return loadConfig({ environment: texts, workingDirectory: '/nonexistent', processId: 1 })
}

/** Answers with the text, for browsers, too. */
function saying(text: string): RequestListener {
  return (_request, response) => {
    response.setHeader('access-control-allow-origin', '*')
    response.end(text)
  }
}

/** The one thing that is found where that web server stands for `example.org`; its own address is written as `https://example.org`. */
async function found(listener: RequestListener): Promise<Finding> {
  await using server = await serving(listener)
  const findings = await examineWellKnown(configOf(), server.url + documentPath)
  assert.equal(findings.length, 1)
  const [finding] = findings
  assert.ok(finding !== undefined)
  return { ...finding, what: finding.what.replaceAll(server.url, 'https://example.org') }
}

function assertSaysWhatToDo({ remedy = '' }: Finding): void {
  assert.ok(remedy.startsWith('Let the web server of example.org answer there with '), remedy)
  assert.ok(remedy.includes(right) && remedy.includes('access-control-allow-origin: *'), remedy)
}

describe('the well-known document', () => {
  it('is looked for where clients look, under the name of the server', () => {
    assert.equal(wellKnownUrl('example.org'), 'https://example.org/.well-known/matrix/client')
  })

  it('is well where it names the public URL, with or without a slash at its end', limit, async () => {
    for (const text of [right, `{"m.homeserver":{"base_url":"${publicUrl}/"},"org.example":1}`]) {
      assert.deepEqual(await found(saying(text)), {
        area: 'well-known',
        verdict: 'ok',
        what: `https://example.org${documentPath} names ${publicUrl}`,
      })
    }
  })

  it('that names another server, or says nothing, or is not there, is a problem', limit, async () => {
    const listeners: readonly (readonly [RequestListener, string])[] = [
      [saying('{"m.homeserver":{"base_url":"https://elsewhere.org"}}'), 'says https://elsewhere.org'],
      [saying('<html>It works!</html>'), 'says nothing that clients understand'],
      [saying('{"m.identity_server":{}}'), 'says nothing that clients understand'],
      [saying(''), 'says nothing that clients understand'],
      [(_request, response) => void response.writeHead(404).end(right), 'answers 404'],
      [(_request, response) => void response.writeHead(502).end(), 'answers 502'],
    ]
    for (const [listener, what] of listeners) {
      const finding = await found(listener)
      assert.equal(finding.verdict, 'problem', what)
      assert.equal(finding.what, `https://example.org${documentPath} ${what}`)
      assertSaysWhatToDo(finding)
    }
  })

  it('of a web server that does not answer is a problem', limit, async () => {
    const closed = await serving(saying(right))
    await closed[Symbol.asyncDispose]()
    const [refused] = await examineWellKnown(configOf(), closed.url + documentPath)
    const cutOff = await found((request) => request.socket.destroy())
    assert.ok(refused !== undefined)
    assert.match(refused.what, / does not answer: .*ECONNREFUSED/)
    assert.match(cutOff.what, / does not answer: ./)
    for (const finding of [refused, cutOff]) {
      assert.equal(finding.verdict, 'problem')
      assertSaysWhatToDo(finding)
    }
  })

  it('that browsers may not read is a warning', limit, async () => {
    const finding = await found((_request, response) => void response.end(right))
    assert.equal(finding.verdict, 'warning')
    assert.equal(
      finding.what,
      `https://example.org${documentPath} is not for browsers: its CORS header is missing`,
    )
    assertSaysWhatToDo(finding)
  })

  it(
    'is followed to where it has moved, which browsers do only if the redirect lets them',
    limit,
    async () => {
      const cors = { 'access-control-allow-origin': '*' }
      const moved =
        (redirect: Record<string, string>, document: Record<string, string>): RequestListener =>
        (request, response) => {
          if (request.url === '/moved') response.writeHead(200, document).end(right)
          else response.writeHead(301, { location: '/moved', ...redirect }).end()
        }
      assert.equal((await found(moved(cors, cors))).verdict, 'ok')
      const refused = [
        [moved({}, cors), documentPath],
        [moved(cors, {}), '/moved'],
        [moved({}, {}), documentPath],
      ] as const
      for (const [listener, path] of refused) {
        const finding = await found(listener)
        assert.equal(finding.verdict, 'warning')
        assert.equal(
          finding.what,
          `https://example.org${path} is not for browsers: its CORS header is missing`,
        )
        assertSaysWhatToDo(finding)
      }
    },
  )

  it('that leads round in a circle is a problem', limit, async () => {
    let asked = 0
    const finding = await found((_request, response) => {
      asked++
      response.writeHead(302, { location: documentPath }).end()
    })
    assert.equal(finding.verdict, 'problem')
    assert.match(finding.what, / does not answer: it leads on to somewhere else more than 5 times$/)
    assert.equal(asked, 6)
    assertSaysWhatToDo(finding)
  })

  it('is not looked for without a public URL, nor under a name that cannot have one', limit, async () => {
    let asked = 0
    await using server = await serving((_request, response) => {
      asked++
      response.end(right)
    })
    for (const environment of [
      { TROUPE_PUBLIC_URL: '' },
      { TROUPE_SERVER_NAME: 'localhost' },
      { TROUPE_SERVER_NAME: '192.0.2.1' },
      { TROUPE_SERVER_NAME: 'example.org:8448' },
    ])
      assert.deepEqual(await examineWellKnown(configOf(environment), server.url + documentPath), [])
    assert.equal(asked, 0)
  })

  it('is read for its base URL, if it is a well-known document', () => {
    assert.equal(baseUrlOf('{"m.homeserver":{"base_url":"https://x.org/"}}'), 'https://x.org')
    for (const text of ['', '<html>', 'null', '{}', '{"m.homeserver":{"base_url":1}}'])
      assert.equal(baseUrlOf(text), undefined)
  })
})
