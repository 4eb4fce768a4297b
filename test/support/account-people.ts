/** People of an account server: registered, logged in, with what a test asks in their name. */

import assert from 'node:assert/strict'
import type { JsonObject, JsonValue } from '#protocol/json/types.ts'
import type { AccountServer, Reply } from './account-server.ts'

let names = 0

export const password = 'correct horse'

/** A field of a body that must be a string. */
export function textOf(body: JsonObject, key: string): string {
  const value = body[key]
  assert.ok(typeof value === 'string', `"${key}" in ${JSON.stringify(body)}`)
  return value
}

/** A session of a user. */
export class Person {
  readonly server: AccountServer
  readonly name: string
  readonly userId: string
  readonly token: string
  readonly deviceId: string

  constructor(server: AccountServer, name: string, session: JsonObject) {
    this.server = server
    this.name = name
    this.userId = textOf(session, 'user_id')
    this.token = textOf(session, 'access_token')
    this.deviceId = textOf(session, 'device_id')
  }

  /** Registers somebody new. */
  static async register(server: AccountServer): Promise<Person> {
    const name = `person${++names}`
    const body = { username: name, password, auth: { type: 'm.login.dummy' } }
    const reply = await server.call('POST', '/_matrix/client/v3/register', { body })
    assert.equal(reply.status, 200, JSON.stringify(reply.body))
    return new Person(server, name, reply.body)
  }

  /** Logs in on another device. */
  async secondDevice(): Promise<Person> {
    const identifier = { type: 'm.id.user', user: this.name }
    const body = { type: 'm.login.password', identifier, password }
    const reply = await this.server.call('POST', '/_matrix/client/v3/login', { body })
    assert.equal(reply.status, 200, JSON.stringify(reply.body))
    return new Person(this.server, this.name, reply.body)
  }

  /** The same session after the server has started again. */
  on(server: AccountServer): Person {
    return new Person(server, this.name, {
      user_id: this.userId,
      access_token: this.token,
      device_id: this.deviceId,
    })
  }

  /** What satisfies user-interactive authentication. */
  get auth(): JsonObject {
    return { type: 'm.login.password', identifier: { type: 'm.id.user', user: this.userId }, password }
  }

  /** A request below /_matrix/client/v3. */
  call(method: string, path: string, body?: JsonValue): Promise<Reply> {
    const options = body === undefined ? { token: this.token } : { token: this.token, body }
    return this.server.call(method, `/_matrix/client/v3${path}`, options)
  }

  /** A request that must succeed; its body. */
  async must(method: string, path: string, body?: JsonValue): Promise<JsonObject> {
    const reply = await this.call(method, path, body)
    assert.equal(reply.status, 200, `${method} ${path}: ${JSON.stringify(reply.body)}`)
    return reply.body
  }
}
