import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Asker } from '#actors/runtime/client.ts'
import { startEndpointServer } from '#test/support/endpoint-server.ts'
import { createUserEndpoint, createUserPath } from './create-user.ts'

test('an account is made for whoever shows the operator token, and for nobody else', async () => {
  const asked: unknown[] = []
  const ask = {
    ask: async (...request: unknown[]) => {
      asked.push(request.slice(0, 4))
      return {}
    },
  } as unknown as Asker
  const passwords = { hash: async (password: string) => `hash of ${password}`, verify: async () => false }
  await using server = await startEndpointServer({
    endpoints: [createUserEndpoint('secret')],
    services: { ask, passwords },
  })
  const post = async (token: string | undefined, body: object) => {
    const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` }
    const response = await fetch(server.url + createUserPath, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    })
    return (await response.json()) as Record<string, string>
  }
  const body = { localpart: 'alice', password: 'long enough', admin: true }
  assert.equal((await post(undefined, body))['errcode'], 'M_MISSING_TOKEN')
  assert.equal((await post('wrong', body))['errcode'], 'M_UNKNOWN_TOKEN')
  assert.equal((await post('secret', { ...body, password: 'short' }))['errcode'], 'M_WEAK_PASSWORD')
  assert.equal((await post('secret', { ...body, localpart: 'Ä' }))['errcode'], 'M_INVALID_USERNAME')
  assert.deepEqual(asked, [])
  assert.deepEqual(await post('secret', body), { user_id: '@alice:localhost' })
  assert.deepEqual(asked, [
    ['user', '@alice:localhost', 'register', { passwordHash: 'hash of long enough', admin: true }],
  ])
})
