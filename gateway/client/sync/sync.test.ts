import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { parseUserId } from '#protocol/ids/user-id.ts'
import type { Asker } from '#actors/runtime/client.ts'
import type { SyncRequest } from '#actors/user/messages.ts'
import type { Reads } from '#storage/reads.ts'
import { type EndpointServer, startEndpointServer } from '#test/support/endpoint-server.ts'
import { endpoint } from './sync.ts'

let server: EndpointServer
let asked: SyncRequest[]
let onWait: () => void = () => {}

const ask: Asker = {
  ask: (_actor, _key, kind, body) => {
    // The cast states what a request of this kind is. Others are not the endpoint's.
    const request = body as unknown as SyncRequest
    if (kind === 'sync') asked.push(request)
    if (request.since === 'waits' && request.timeoutMs > 0) {
      return new Promise(() => {
        onWait()
      })
    }
    return Promise.resolve({ head: {}, body: '{"next_batch":"s1"}' } as never)
  },
}

// The one statement that the endpoint makes: the stored filter `7`.
const reads = {
  sql: (_text: TemplateStringsArray, ...values: unknown[]) =>
    Promise.resolve(values.includes('7') ? [{ json: '{"room":{"rooms":[]}}' }] : []),
} as unknown as Reads

function startServer(): Promise<EndpointServer> {
  return startEndpointServer({
    endpoints: [endpoint],
    sessions: {
      ann: { userId: parseUserId('@ann:test.local'), deviceId: 'DEV', admin: false, expiresAt: undefined },
    },
    services: { ask, reads },
  })
}

before(async () => {
  server = await startServer()
})
after(() => server[Symbol.asyncDispose]())
beforeEach(() => {
  asked = []
})

function get({ url }: EndpointServer, query: string): Promise<Response> {
  return fetch(`${url}/_matrix/client/v3/sync${query}`, {
    headers: { authorization: 'Bearer ann' },
    signal: AbortSignal.timeout(5000),
  })
}

async function sync(query: string): Promise<{ status: number; body: unknown }> {
  const response = await get(server, query)
  return { status: response.status, body: await response.json() }
}

describe('GET /sync', () => {
  it('answers with the text that the actor made, and waits for nothing unless asked to', async () => {
    assert.deepEqual(await sync(''), { status: 200, body: { next_batch: 's1' } })
    assert.deepEqual(asked, [{ deviceId: 'DEV', timeoutMs: 0, fullState: false, useStateAfter: false }])
  })

  it('hands on what is asked for, with the timeout capped', async () => {
    await sync('?since=sX&timeout=600000&full_state=true&use_state_after=true&set_presence=offline')
    assert.deepEqual(asked, [
      {
        deviceId: 'DEV',
        timeoutMs: 30_000,
        fullState: true,
        useStateAfter: true,
        since: 'sX',
        setPresence: 'offline',
      },
    ])
  })

  it('takes a filter as JSON or by its id', async () => {
    await sync(`?filter=${encodeURIComponent('{"a":1}')}`)
    await sync('?filter=7')
    assert.deepEqual(
      asked.map((request) => request.filter),
      ['{"a":1}', '{"room":{"rooms":[]}}'],
    )
  })

  it('refuses what it cannot read, and asks nobody', async () => {
    for (const query of [
      '?timeout=soon',
      '?timeout=-1',
      '?full_state=yes',
      '?set_presence=asleep',
      '?filter=8',
    ]) {
      const { status, body } = await sync(query)
      assert.equal(status, 400, query)
      assert.equal((body as { errcode: string }).errcode, 'M_INVALID_PARAM', query)
    }
    assert.deepEqual(asked, [])
  })
})

describe('GET /sync at a server that ends', () => {
  it('tells a client that waits what there is, and ends its connection', async () => {
    await using ending = await startServer()
    const waiting = Promise.withResolvers<void>()
    onWait = waiting.resolve
    const answer = get(ending, '?since=waits&timeout=30000')
    await waiting.promise
    ending.drain()
    const response = await answer
    assert.equal(response.status, 200)
    assert.deepEqual(await response.json(), { next_batch: 's1' })
    assert.equal(response.headers.get('connection'), 'close')
    assert.deepEqual(
      asked.map(({ timeoutMs }) => timeoutMs),
      [30_000, 0],
    )
  })

  it('does not let anybody begin to wait', async () => {
    await using ending = await startServer()
    ending.drain()
    assert.equal((await get(ending, '?since=waits&timeout=30000')).status, 200)
    assert.deepEqual(
      asked.map(({ timeoutMs }) => timeoutMs),
      [0],
    )
  })
})
