/** The endpoints of rooms behind a real socket, over room actors and a real database. */

import assert from 'node:assert/strict'
import type { RoomMessages } from '#actors/room/messages.ts'
import type { Asker } from '#actors/runtime/client.ts'
import { roomEndpoints } from '#gateway/client/rooms/endpoints.ts'
import { parseUserId, type UserId } from '#protocol/ids/user-id.ts'
import type { Session } from '#storage/users/tokens.ts'
import { startEndpointServer, type EndpointServer } from './endpoint-server.ts'
import { testDatabase, type TestDatabase } from './postgres.ts'
import { RoomHarness } from './room-harness.ts'

export interface Reply {
  readonly status: number
  // Tests look into answers of every shape; the assertions are their check.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any
}

/** A person who talks to the server. */
export class Person {
  readonly userId: UserId
  readonly #url: string
  readonly #token: string
  #txn = 0

  constructor(url: string, name: string) {
    this.userId = parseUserId(`@${name}:localhost`)
    this.#url = url
    this.#token = name
  }

  async ask(method: string, path: string, body?: unknown): Promise<Reply> {
    const response = await fetch(`${this.#url}/_matrix/client/${path}`, {
      method,
      headers: { authorization: `Bearer ${this.#token}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(10_000),
    })
    return { status: response.status, body: await response.json() }
  }

  /** As `ask`, for what must succeed; the body of the answer. */
  async must(method: string, path: string, body?: unknown): Promise<Reply['body']> {
    const reply = await this.ask(method, path, body)
    assert.equal(reply.status, 200, `${method} ${path}: ${JSON.stringify(reply.body)}`)
    return reply.body
  }

  get(path: string): Promise<Reply['body']> {
    return this.must('GET', path)
  }

  async createRoom(body: object = { preset: 'public_chat' }): Promise<string> {
    return (await this.must('POST', 'v3/createRoom', body)).room_id
  }

  join(room: string): Promise<unknown> {
    return this.must('POST', `v3/rooms/${encodeURIComponent(room)}/join`, {})
  }

  /** Sends a message event and gives its id. */
  async send(room: string, content: object | string, type = 'm.room.message'): Promise<string> {
    const body = typeof content === 'string' ? { msgtype: 'm.text', body: content } : content
    const path = `v3/rooms/${encodeURIComponent(room)}/send/${type}/t${this.#txn++}`
    return (await this.must('PUT', path, body)).event_id
  }
}

export interface RoomServer extends AsyncDisposable {
  readonly test: TestDatabase
  readonly rooms: RoomHarness
  readonly server: EndpointServer
  /** What was asked of users' actors. */
  readonly userRequests: { readonly userId: string; readonly kind: string; readonly body: unknown }[]
  person(name: string): Person
}

/** Starts everything; every name may log in. */
export async function startRoomServer(names: readonly string[]): Promise<RoomServer> {
  await using stack = new AsyncDisposableStack()
  const test = stack.use(await testDatabase({ serverName: 'localhost' }))
  const rooms = new RoomHarness(test.database, 'localhost')
  const userRequests: RoomServer['userRequests'] = []
  const ask: Asker = {
    ask(actor, key, kind, body) {
      if (actor === 'room') return rooms.ask(key, kind as keyof RoomMessages, body as never) as never
      userRequests.push({ userId: key, kind, body })
      return Promise.resolve({}) as never
    },
  }
  const sessions = Object.fromEntries(names.map((name) => [name, sessionOf(name)]))
  const server = stack.use(
    await startEndpointServer({
      endpoints: roomEndpoints,
      sessions,
      services: { ask, reads: test.database.reads },
    }),
  )
  const owned = stack.move()
  return {
    test,
    rooms,
    server,
    userRequests,
    person: (name) => new Person(server.url, name),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

function sessionOf(name: string): Session {
  return {
    userId: parseUserId(`@${name}:localhost`),
    deviceId: `DEVICE_${name}`,
    admin: false,
    expiresAt: undefined,
  }
}
