/** A small Matrix client for tests: what a test needs to say, and what it was told, without a client library's own ideas. */

import { parseJson } from '#protocol/json/parse.ts'
import assert from 'node:assert/strict'

export interface Answered<T> {
  readonly status: number
  readonly body: T
  readonly headers: Headers
}

export type Json = Record<string, unknown>

/** One session of one user. */
export class MatrixUser {
  readonly userId: string
  readonly deviceId: string
  readonly token: string
  /** May be changed to talk to another gateway. */
  url: string
  #txn = 0

  constructor(url: string, session: { user_id: string; device_id: string; access_token: string }) {
    this.url = url
    this.userId = session.user_id
    this.deviceId = session.device_id
    this.token = session.access_token
  }

  /** A transaction id that this session has not used. */
  nextTxn(): string {
    return `t${this.#txn++}`
  }

  call<T = Json>(method: string, path: string, body?: unknown, timeoutMs = 35_000): Promise<Answered<T>> {
    return request<T>(this.url, method, path, body, { token: this.token, timeoutMs })
  }

  /** The body of a call that must succeed. */
  async ok<T = Json>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await this.call<T>(method, path, body)
    assert.equal(answer.status, 200, `${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
    return answer.body
  }

  async createRoom(options: Json = {}): Promise<string> {
    return (await this.ok<{ room_id: string }>('POST', '/_matrix/client/v3/createRoom', options)).room_id
  }

  async join(roomId: string): Promise<void> {
    await this.ok('POST', `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/join`, {})
  }

  async invite(roomId: string, userId: string): Promise<void> {
    await this.ok('POST', `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/invite`, {
      user_id: userId,
    })
  }

  async leave(roomId: string): Promise<void> {
    await this.ok('POST', `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/leave`, {})
  }

  async send(
    roomId: string,
    content: Json,
    type = 'm.room.message',
    txnId = this.nextTxn(),
  ): Promise<string> {
    const path = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/send/${type}/${txnId}`
    return (await this.ok<{ event_id: string }>('PUT', path, content)).event_id
  }

  text(roomId: string, body: string): Promise<string> {
    return this.send(roomId, { msgtype: 'm.text', body })
  }

  async setState(roomId: string, type: string, content: Json, stateKey = ''): Promise<string> {
    const path = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/state/${type}/${encodeURIComponent(stateKey)}`
    return (await this.ok<{ event_id: string }>('PUT', path, content)).event_id
  }

  sync(since?: string, options: { timeout?: number; filter?: Json } = {}): Promise<SyncBody> {
    const query = new URLSearchParams({ timeout: String(options.timeout ?? 0) })
    if (since !== undefined) query.set('since', since)
    if (options.filter !== undefined) query.set('filter', JSON.stringify(options.filter))
    return this.ok<SyncBody>('GET', `/_matrix/client/v3/sync?${query.toString()}`)
  }

  /** Syncs on until something satisfies `wanted`; returns that response. */
  async syncUntil(
    since: string | undefined,
    wanted: (body: SyncBody) => boolean,
    limitMs = 15_000,
  ): Promise<SyncBody> {
    const end = performance.now() + limitMs
    let token = since
    for (;;) {
      const body = await this.sync(token, { timeout: token === undefined ? 0 : 2000 })
      if (wanted(body)) return body
      token = body.next_batch
      if (performance.now() > end) throw new Error(`no sync response was as wanted within ${limitMs} ms`)
    }
  }
}

export interface RoomEvent {
  readonly event_id: string
  readonly type: string
  readonly sender: string
  readonly state_key?: string
  readonly content: Json
  readonly unsigned?: Json
  readonly origin_server_ts: number
}

export interface JoinedRoom {
  readonly timeline?: {
    readonly events: RoomEvent[]
    readonly limited?: boolean
    readonly prev_batch?: string
  }
  readonly state?: { readonly events: RoomEvent[] }
  readonly state_after?: { readonly events: RoomEvent[] }
  readonly ephemeral?: { readonly events: { type: string; content: Json }[] }
  readonly account_data?: { readonly events: { type: string; content: Json }[] }
  readonly unread_notifications?: { readonly notification_count: number; readonly highlight_count: number }
  readonly unread_thread_notifications?: Record<
    string,
    { notification_count: number; highlight_count: number }
  >
  readonly summary?: Json
}

export interface SyncBody {
  readonly next_batch: string
  readonly rooms?: {
    readonly join?: Record<string, JoinedRoom>
    readonly invite?: Record<string, { invite_state: { events: RoomEvent[] } }>
    readonly knock?: Record<string, { knock_state: { events: RoomEvent[] } }>
    readonly leave?: Record<string, JoinedRoom>
  }
  readonly to_device?: { readonly events: { type: string; sender: string; content: Json }[] }
  readonly account_data?: { readonly events: { type: string; content: Json }[] }
  readonly device_lists?: { readonly changed?: string[]; readonly left?: string[] }
  readonly device_one_time_keys_count?: Record<string, number>
  readonly device_unused_fallback_key_types?: string[]
}

/** One HTTP request with a JSON answer. */
export async function request<T = Json>(
  url: string,
  method: string,
  path: string,
  body?: unknown,
  options: { token?: string; timeoutMs?: number } = {},
): Promise<Answered<T>> {
  const response = await fetch(url + path, {
    method,
    headers: {
      ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    signal: AbortSignal.timeout(options.timeoutMs ?? 35_000),
  })
  const text = await response.text()
  return {
    status: response.status,
    body: (text === '' ? {} : parseJson(text)) as T,
    headers: response.headers,
  }
}

/** Registers a user by the dummy stage. The server's registration must be open. */
export async function register(
  url: string,
  username: string,
  password = 'correct horse battery',
): Promise<MatrixUser> {
  const path = '/_matrix/client/v3/register'
  const first = await request<{ session?: string }>(url, 'POST', path, { username, password })
  assert.equal(first.status, 401, JSON.stringify(first.body))
  const auth = { type: 'm.login.dummy', session: first.body.session }
  const done = await request<Registered>(url, 'POST', path, { username, password, auth })
  assert.equal(done.status, 200, JSON.stringify(done.body))
  return new MatrixUser(url, done.body)
}

interface Registered {
  readonly user_id: string
  readonly device_id: string
  readonly access_token: string
}

/** Logs a user in again, as a new device unless one is named. */
export async function login(
  url: string,
  userId: string,
  password = 'correct horse battery',
  deviceId?: string,
): Promise<MatrixUser> {
  const answer = await request<{ user_id: string; device_id: string; access_token: string }>(
    url,
    'POST',
    '/_matrix/client/v3/login',
    {
      type: 'm.login.password',
      identifier: { type: 'm.id.user', user: userId },
      password,
      ...(deviceId === undefined ? {} : { device_id: deviceId }),
    },
  )
  assert.equal(answer.status, 200, JSON.stringify(answer.body))
  return new MatrixUser(url, answer.body)
}
