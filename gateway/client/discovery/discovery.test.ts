import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseUserId } from '#protocol/ids/user-id.ts'
import { startEndpointServer } from '#test/support/endpoint-server.ts'
import { frontPageEndpoint } from '../../front-page.ts'
import { Readiness } from '../../ops/health.ts'
import { clientEndpoints } from '../endpoints.ts'

const sessions = {
  good: { userId: parseUserId('@a:localhost'), deviceId: 'D', admin: false, expiresAt: undefined },
}

test('versions are told to everybody, even with a token that has expired', async () => {
  await using server = await startEndpointServer({ endpoints: clientEndpoints })
  const response = await fetch(`${server.url}/_matrix/client/versions`, {
    headers: { authorization: 'Bearer old' },
  })
  assert.equal(response.status, 200)
  const { versions } = (await response.json()) as { versions: string[] }
  assert.ok(versions.includes('v1.11'))
})

test('capabilities name the configured default room version among all versions', async () => {
  await using server = await startEndpointServer({
    endpoints: clientEndpoints,
    sessions,
    environment: { TROUPE_DEFAULT_ROOM_VERSION: '1' },
  })
  const url = `${server.url}/_matrix/client/v3/capabilities`
  assert.equal((await fetch(url)).status, 401)
  const response = await fetch(url, { headers: { authorization: 'Bearer good' } })
  const { capabilities } = (await response.json()) as {
    capabilities: { 'm.room_versions': { default: string; available: Record<string, string> } }
  }
  const { available, default: preferred } = capabilities['m.room_versions']
  assert.equal(preferred, '1')
  assert.deepEqual(available, Object.fromEntries(Array.from({ length: 12 }, (_, n) => [n + 1, 'stable'])))
})

test('discovery tells the public URL, or else the first listen address', async () => {
  const base = async (environment: Record<string, string>) => {
    await using server = await startEndpointServer({ endpoints: clientEndpoints, environment })
    const response = await fetch(`${server.url}/.well-known/matrix/client`)
    return ((await response.json()) as { 'm.homeserver': { base_url: string } })['m.homeserver'].base_url
  }
  assert.equal(await base({}), 'http://127.0.0.1:8008')
  assert.equal(await base({ TROUPE_LISTEN: '[::]:80' }), 'http://localhost:80')
  assert.equal(await base({ TROUPE_PUBLIC_URL: 'https://m.example.org/' }), 'https://m.example.org')
})

test('the front page says what this is, how it is, and escapes what it shows', async () => {
  const readiness = new Readiness()
  let problem: string | undefined
  readiness.add('database', () => problem)
  await using server = await startEndpointServer({
    endpoints: [frontPageEndpoint(readiness, '1.0')],
    environment: { TROUPE_PUBLIC_URL: 'https://m.example.org/?<script>' },
  })
  const well = await fetch(server.url)
  assert.match(well.headers.get('content-type') ?? '', /text\/html/)
  assert.match(well.headers.get('content-security-policy') ?? '', /default-src 'none'/)
  const page = await well.text()
  assert.match(page, /Matrix homeserver/)
  assert.match(page, /All is well/)
  assert.doesNotMatch(page, /<script>/)
  problem = 'does not answer <b>'
  const ill = await (await fetch(server.url)).text()
  assert.match(ill, /database: does not answer &lt;b&gt;/)
})
