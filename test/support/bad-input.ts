/**
 * One real process for tests of bad input: two people in a room, requests whose bytes the test chooses, and a probe that says
 * whether the process came through it well.
 */

import { parseJson } from '#protocol/json/parse.ts'
import assert from 'node:assert/strict'
import type { Database } from '#storage/pool.ts'
import { register, type Json, type MatrixUser } from './matrix.ts'
import { testDatabase } from './postgres.ts'
import { startTroupe, type TroupeProcess } from './process.ts'

export const serverName = 'test.local'

export interface RawAnswer {
  readonly status: number
  /** The parsed body, `{}` if it is no JSON object. */
  readonly body: Json
  readonly headers: Headers
}

export interface RawRequest {
  readonly method: string
  readonly path: string
  /** Sent as it is; text as UTF-8. */
  readonly body?: Uint8Array | string
  readonly headers?: Readonly<Record<string, string>>
}

export interface BadInputServer extends AsyncDisposable {
  readonly process: TroupeProcess
  readonly database: Database
  readonly alice: MatrixUser
  readonly bob: MatrixUser
  /** Both are in it. */
  readonly roomId: string
  /** A request of alice. */
  ask(request: RawRequest): Promise<RawAnswer>
  /** A message of alice reaches bob, both can sync from the start, and nothing that happened so far was a fault of the server. */
  probe(): Promise<void>
}

/** Starts the process on a database of its own. */
export async function startBadInputServer(
  env: Readonly<Record<string, string>> = {},
): Promise<BadInputServer> {
  await using stack = new AsyncDisposableStack()
  const test = stack.use(await testDatabase({ serverName }))
  const settings = { DATABASE_URL: test.url, TROUPE_SERVER_NAME: serverName, ...env }
  const troupe = stack.use(await startTroupe({ env: settings }))
  const [alice, bob] = await Promise.all([register(troupe.url, 'alice'), register(troupe.url, 'bob')])
  const roomId = await alice.createRoom({ preset: 'public_chat' })
  await bob.join(roomId)
  const owned = stack.move()
  return {
    process: troupe,
    database: test.database,
    alice,
    bob,
    roomId,
    ask: (request) => askRaw(alice, request),
    probe: () => probe({ troupe, alice, bob, roomId }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** A request whose body and headers the test chooses, with the user's access token. */
export async function askRaw(user: MatrixUser, request: RawRequest): Promise<RawAnswer> {
  const { body, headers, method, path } = request
  const response = await fetch(user.url + path, {
    method,
    headers: { authorization: `Bearer ${user.token}`, 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: Buffer.from(body) }),
    signal: AbortSignal.timeout(10_000),
  })
  return { status: response.status, body: parsed(await response.text()), headers: response.headers }
}

function parsed(text: string): Json {
  try {
    const value: unknown = parseJson(text)
    return typeof value === 'object' && value !== null ? (value as Json) : {}
  } catch {
    return {}
  }
}

/** The answer is the specification's error, with a sentence for whoever reads it. */
export function assertRefused(
  answer: RawAnswer,
  status: number,
  errcode: string | RegExp,
  request = 'the request',
): void {
  const { body } = answer
  const seen = `${request} was answered ${answer.status} ${JSON.stringify(body)}`
  assert.equal(answer.status, status, seen)
  assert.match(
    String(body['errcode']),
    typeof errcode === 'string' ? new RegExp(`^${errcode}$`) : errcode,
    seen,
  )
  assert.match(String(body['error']), /^(?:\S+\s+){2,}\S+\.$/, `not a sentence: ${seen}`)
}

/** Ids of the newest events of a room, newest first: they are the same as long as nothing was sent. */
export async function newestEvents(user: MatrixUser, roomId: string): Promise<readonly unknown[]> {
  const path = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/messages?dir=b&limit=5`
  const { chunk } = await user.ok<{ chunk: Json[] }>('GET', path)
  return chunk.map((event) => event['event_id'])
}

async function probe(server: {
  readonly troupe: TroupeProcess
  readonly alice: MatrixUser
  readonly bob: MatrixUser
  readonly roomId: string
}): Promise<void> {
  const { alice, bob, roomId, troupe } = server
  const faults = troupe
    .output()
    .split('\n')
    .filter((line) => /"level":"(?:error|fatal)"|UnhandledPromise|"msg":"request"/.test(line))
  assert.deepEqual(faults, [])
  const [since] = (await Promise.all([bob.sync(), alice.sync()])).map((body) => body.next_batch)
  const sent = await alice.text(roomId, 'still there?')
  await bob.syncUntil(since, ({ rooms }) =>
    (rooms?.join?.[roomId]?.timeline?.events ?? []).some((event) => event.event_id === sent),
  )
  const health = await fetch(`${troupe.url}/health`, { signal: AbortSignal.timeout(1000) })
  assert.equal(health.status, 200)
}
