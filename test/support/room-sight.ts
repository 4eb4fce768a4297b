/** One room through the eyes of one user, for tests that tell a story in it. */

import type { Json, MatrixUser, RoomEvent } from './matrix.ts'

/** What there is to be seen of a room, without what time changes. */
export interface RoomRecord {
  readonly timeline: readonly Json[]
  /** By event id. */
  readonly state: readonly Json[]
}

/** A room as somebody sees it. */
export class RoomSight {
  readonly who: MatrixUser
  readonly roomId: string

  constructor(who: MatrixUser, roomId: string) {
    this.who = who
    this.roomId = roomId
  }

  /** The same room as another sees it. */
  as(who: MatrixUser): RoomSight {
    return new RoomSight(who, this.roomId)
  }

  /** The path of a request about the room. */
  path(rest: string, version = 'v3'): string {
    return `/_matrix/client/${version}/rooms/${encodeURIComponent(this.roomId)}/${rest}`
  }

  /** `ok`, or status and error code of what may fail. */
  async outcome(method: string, rest: string, body: Json = {}): Promise<string> {
    const { body: answer, status } = await this.who.call(method, this.path(rest), body)
    return status === 200 ? 'ok' : `${status} ${String(answer['errcode'])}`
  }

  async post(rest: string, body: Json = {}): Promise<void> {
    await this.who.ok('POST', this.path(rest), body)
  }

  event(eventId: string): Promise<RoomEvent & { redacts?: string }> {
    return this.who.ok('GET', this.path(`event/${encodeURIComponent(eventId)}`))
  }

  state(type: string, stateKey = ''): Promise<Json> {
    return this.who.ok('GET', this.path(`state/${type}/${encodeURIComponent(stateKey)}`))
  }

  set(type: string, content: Json, stateKey = ''): Promise<string> {
    return this.who.setState(this.roomId, type, content, stateKey)
  }

  joinRule(rule: string, allowed?: string): Promise<string> {
    const allow = allowed === undefined ? {} : { allow: [{ type: 'm.room_membership', room_id: allowed }] }
    return this.set('m.room.join_rules', { join_rule: rule, ...allow })
  }

  /** Everything that has happened, and everything that is so, without what time changes. */
  async everything(): Promise<RoomRecord> {
    const page = await this.who.ok<{ chunk: Json[] }>('GET', this.path('messages?dir=f&limit=1000'))
    const state = await this.who.ok<Json[]>('GET', this.path('state'))
    return { timeline: page.chunk.map(timeless), state: state.map(timeless).toSorted(byEventId) }
  }
}

function timeless(event: Json): Json {
  const ageless = JSON.stringify(event, (key, value: unknown) => (key === 'age' ? undefined : value))
  return JSON.parse(ageless) as Json
}

function byEventId(a: Json, b: Json): number {
  return String(a['event_id']) < String(b['event_id']) ? -1 : 1
}
