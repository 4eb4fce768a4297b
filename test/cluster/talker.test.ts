/** The crowd's client against a server of a few lines that misbehaves: what it records is what happened. */

import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { seededRandom } from '../support/manual-clock.ts'
import { MatrixUser } from '../support/matrix.ts'
import { LoggedOut, Refused } from './persistence.ts'
import { Talker } from './talker.ts'

type Handler = (request: IncomingMessage, url: URL, response: ServerResponse) => unknown

interface Stage extends AsyncDisposable {
  readonly talker: Talker
  readonly abort: AbortController
}

const roomId = '!room'

/** A talker before a server that answers each request with what the handler returns; undefined: the handler answers by itself. */
async function stage(handler: Handler, repeats = 0): Promise<Stage> {
  const server = createServer((request, response) => {
    const body = handler(request, new URL(request.url ?? '', 'http://test'), response)
    if (body !== undefined) response.end(JSON.stringify(body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const session = { user_id: '@alice:test', device_id: 'A', access_token: 'token' }
  const user = new MatrixUser(`http://127.0.0.1:${port}`, session)
  const abort = new AbortController()
  const random = seededRandom(1)
  const talker = new Talker({
    user,
    roomIds: [roomId],
    random,
    thinkMs: 1,
    repeats,
    signal: abort.signal,
  })
  return {
    talker,
    abort,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        abort.abort()
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}

function event(id: number): object {
  return {
    event_id: `$${id}`,
    type: 'm.room.message',
    sender: '@alice:test',
    content: {},
    origin_server_ts: 0,
  }
}

test(
  'a message whose answer is lost is sent again with the same transaction id',
  { timeout: 10_000 },
  async () => {
    const paths: string[] = []
    await using one = await stage((request, url, response) => {
      paths.push(url.pathname)
      if (paths.length === 1) return void request.socket.destroy()
      if (paths.length === 2) {
        response.statusCode = 503
        return {}
      }
      one.talker.hush()
      return { event_id: '$sent' }
    })
    await one.talker.talk()
    assert.equal(paths.length, 3)
    assert.equal(new Set(paths).size, 1)
    const [send] = one.talker.sends
    assert.deepEqual(send?.eventIds, ['$sent'])
    assert.ok(send?.returnedAtMs !== undefined && send.returnedAtMs > send.invokedAtMs)
  },
)

test('both answers to a message that is repeated are kept', { timeout: 10_000 }, async () => {
  let answers = 0
  await using one = await stage(() => {
    one.talker.hush()
    return { event_id: `$${++answers}` }
  }, 1)
  await one.talker.talk()
  assert.deepEqual(one.talker.sends[0]?.eventIds, ['$1', '$2'])
})

test(
  'gaps are filled from the token before the gap back to the sync before',
  { timeout: 10_000 },
  async () => {
    const asked: string[] = []
    const timelines = [
      { events: [event(3)], limited: true, prev_batch: 'p1' },
      { events: [event(4)], limited: false, prev_batch: 'p2' },
      { events: [event(7)], limited: true, prev_batch: 'p3' },
    ]
    await using one = await stage((_request, url) => {
      const { searchParams: query } = url
      if (url.pathname.endsWith('/messages')) {
        asked.push(`${query.get('from')} to ${query.get('to')}`)
        if (query.get('from') === 'p1') return { chunk: [event(2)], start: 'p1', end: 'p0' }
        return query.get('from') === 'p0'
          ? { chunk: [event(1)], start: 'p0' }
          : { chunk: [event(6), event(5)] }
      }
      const n = Number(query.get('since') ?? 0)
      if (n === 2) one.talker.leave()
      return { next_batch: String(n + 1), rooms: { join: { [roomId]: { timeline: timelines[n] } } } }
    })
    await one.talker.listen()
    assert.deepEqual(asked, ['p1 to null', 'p0 to null', 'p3 to 2'])
    assert.deepEqual(
      one.talker.timelines[0]?.eventIds,
      [1, 2, 3, 4, 5, 6, 7].map((id) => `$${id}`),
    )
  },
)

test(
  'a client that is logged out or refused fails instead of trying again',
  { timeout: 10_000 },
  async () => {
    await using loggedOut = await stage((_request, _url, response) => {
      response.statusCode = 401
      return { errcode: 'M_UNKNOWN_TOKEN' }
    })
    await assert.rejects(loggedOut.talker.listen(), LoggedOut)
    await using refused = await stage((_request, _url, response) => {
      response.statusCode = 403
      return { errcode: 'M_FORBIDDEN' }
    })
    await assert.rejects(refused.talker.talk(), Refused)
  },
)
