/**
 * A swept log says the same: whatever happened, and however the sweep went through it meanwhile, a client with any old token
 * is told the latest of everything that changed since.
 */

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import fc from 'fast-check'
import type { RoomId } from '#protocol/ids/room-id.ts'
import { readSyncToken } from '#protocol/tokens/sync-token.ts'
import { systemClock } from '#actors/runtime/clock.ts'
import type { OwnState } from '#actors/user/own-state.ts'
import { SyncHost } from '#actors/user/sync/host.ts'
import type { Reads } from '#storage/reads.ts'
import { PostgresSweepStore } from '#storage/sweep/sweep-postgres.ts'
import { deviceListsBetween } from '#storage/sync/device-lists.ts'
import { readSyncHeads } from '#storage/sync/heads.ts'
import { readAllAccountData } from '#storage/users/account-data.ts'
import {
  deafFeed,
  nothingOwn,
  reading,
  type Response,
  syncOf,
  SyncWorld,
  type SyncingPerson,
} from '../support/sync-world.ts'

type Step =
  | {
      readonly kind: 'read'
      readonly who: 'reader' | 'other'
      readonly thread: '' | 'main'
      readonly hidden: boolean
    }
  | { readonly kind: 'accountData'; readonly type: 'a' | 'b'; readonly global: boolean }
  | { readonly kind: 'device'; readonly who: 'reader' | 'other' }
  | { readonly kind: 'profile' }
  | { readonly kind: 'send' }
  | { readonly kind: 'token' }
  | { readonly kind: 'sweep'; readonly steps: number; readonly look: number }

const who = fc.constantFrom('reader' as const, 'other' as const)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('read' as const),
      who,
      thread: fc.constantFrom('' as const, 'main' as const),
      hidden: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('accountData' as const),
      type: fc.constantFrom('a' as const, 'b' as const),
      global: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('device' as const), who }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('profile' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('send' as const) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('token' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('sweep' as const),
      steps: fc.constantFrom(1, 2, 4),
      look: fc.constantFrom(1, 3, 1000),
    }),
  },
)

let world: SyncWorld
let named = 0

before(async () => {
  world = await SyncWorld.open()
})
after(() => world[Symbol.asyncDispose]())

interface Log {
  readonly shard: number
  readonly epoch: number
  readonly upTo: number
}

/** Some steps through every log, as if its rows were old enough at once. Returns how many rows of each kind were deleted. */
async function sweep(steps: number, look: number): Promise<Record<string, number>> {
  const { database } = world
  await using session = database.session('sweep')
  const store = new PostgresSweepStore(session)
  const deleted: Record<string, number> = {}
  const logs = await database.reads.sql<Log[]>`
    select shard_id as shard, s.epoch, max(l.pos) as "upTo" from log l join shard s using (shard_id) group by 1, 2`
  for (const log of logs) {
    for (let i = 0; i < steps; i++) {
      const result = await store.sweepLog({ ...log, ageMs: 0, look })
      assert(result.kind === 'done')
      for (const [kind, rows] of Object.entries(result.deleted)) deleted[kind] = (deleted[kind] ?? 0) + rows
      if (result.waitMs === undefined) break
    }
  }
  return deleted
}

/** What a user's actor knows of his account data, read anew. */
function storedOwn(reads: Reads, person: SyncingPerson): OwnState {
  const all = async (): Promise<{ roomId: string; type: string; content: object; pos: number }[]> =>
    (await readAllAccountData(reads, person.userId)).map((item) => ({
      ...item,
      content: JSON.parse(item.content) as object,
    }))
  return {
    ...nothingOwn,
    accountData: async (roomId) => (await all()).filter((item) => item.roomId === roomId).map(shown),
    accountDataAfter: async (pos) =>
      (await all())
        .filter((item) => item.roomId !== '' && item.pos > pos)
        .map((item) => ({ ...shown(item), roomId: item.roomId })),
  }
}

function shown(item: { type: string; content: object; pos: number }): {
  type: string
  content: {}
  pos: number
} {
  return { type: item.type, content: item.content, pos: item.pos }
}

/** What the reader has to be told after some moment: every key that has changed since, with its latest value. */
type News = Map<string, string>

class Story {
  readonly reader: SyncingPerson
  readonly other: SyncingPerson
  readonly room: RoomId
  readonly tokens: { readonly text: string; readonly news: News }[] = []
  readonly #events: string[]
  readonly #readTo = new Map<string, number>()
  #values = 0

  private constructor(
    people: { reader: SyncingPerson; other: SyncingPerson },
    room: RoomId,
    events: string[],
  ) {
    this.reader = people.reader
    this.other = people.other
    this.room = room
    this.#events = events
  }

  static async begin(): Promise<Story> {
    const n = named++
    const reader = await world.person(`reader${n}`)
    const other = await world.person(`other${n}`)
    const room = await world.room(reader)
    await other.member(room, 'join')
    const events: string[] = []
    for (let i = 0; i < 30; i++) events.push(await other.send(room, `message ${i}`))
    const story = new Story({ reader, other }, room, events)
    await story.act({ kind: 'token' })
    return story
  }

  async act(each: Step): Promise<void> {
    const { reader, room } = this
    const value = `value ${this.#values++}`
    switch (each.kind) {
      case 'read':
        return this.#read(each)
      case 'accountData': {
        const { type } = each
        const content = { value, odd: '\u0000' }
        const request = { type, content, ...(each.global ? {} : { roomId: room }) }
        await world.ask.ask('user', reader.userId, 'putAccountData', request)
        return this.#told(`account data ${each.global ? '' : room} ${type}`, value)
      }
      case 'device': {
        const { userId } = this[each.who]
        const request = { deviceId: 'DEV', displayName: value }
        await world.ask.ask('user', userId, 'setDeviceName', request)
        await world.ask.ask('user', userId, 'spread', {})
        return this.#told(`devices ${userId}`, '')
      }
      case 'profile':
        await world.ask.ask('user', reader.userId, 'putProfile', { key: 'displayname', value })
        return
      case 'send':
        await this.other.send(room, value)
        return
      case 'token': {
        const { next_batch: text } = await reader.sync()
        this.tokens.push({ text, news: new Map() })
        return
      }
      case 'sweep':
        await sweep(each.steps, each.look)
    }
  }

  async #read({ who: name, thread, hidden }: Extract<Step, { kind: 'read' }>): Promise<void> {
    const person = this[name]
    const type = hidden ? 'm.read.private' : 'm.read'
    const key = `receipt ${person.userId} ${type} ${thread}`
    // A response has room for one receipt of a user at an event.
    const next = this.#readTo.get(name) ?? 0
    const eventId = this.#events[next]
    if (eventId === undefined) return
    this.#readTo.set(name, next + 1)
    await person.read(this.room, eventId, thread, type)
    // A private receipt is for its own user.
    if (!hidden || name === 'reader') this.#told(key, eventId)
  }

  #told(key: string, value: string): void {
    for (const { news } of this.tokens) news.set(key, value)
  }
}

/** The same of a response to a sync. */
function newsIn(response: Response, room: RoomId): News {
  const news: News = new Map()
  const joined = response.rooms?.join?.[room]
  for (const { type, content } of response.account_data?.events ?? [])
    news.set(`account data  ${type}`, content.value)
  for (const { type, content } of joined?.account_data?.events ?? [])
    news.set(`account data ${room} ${type}`, content.value)
  for (const userId of response.device_lists?.changed ?? []) news.set(`devices ${userId}`, '')
  for (const { type, content } of joined?.ephemeral?.events ?? []) {
    if (type === 'm.receipt') takeReceipts(news, content)
  }
  return news
}

function takeReceipts(news: News, content: Response): void {
  for (const [eventId, types] of Object.entries<Response>(content)) {
    for (const [type, users] of Object.entries<Response>(types)) {
      for (const [userId, { thread_id: thread = '' }] of Object.entries<Response>(users))
        news.set(`receipt ${userId} ${type} ${thread}`, eventId)
    }
  }
}

function devicesOf(news: News): string[] {
  return [...news.keys()].flatMap((key) => (key.startsWith('devices ') ? key.slice(8) : [])).sort()
}

async function run(steps: readonly Step[]): Promise<void> {
  const story = await Story.begin()
  const [first] = world.hosts
  assert.ok(first)
  const { reads } = world.database
  using deaf = new SyncHost({ feed: deafFeed(first.feed), reads, clock: systemClock })
  const own = storedOwn(reads, story.reader)
  // One that has read along from the beginning, and must take up from a swept log what it has not seen.
  const late = reading(deaf, reads, story.reader.userId, own)
  await syncOf(late)
  for (const each of steps) await story.act(each)
  for (let i = 0; i < 3; i++) await sweep(10, 1000)
  const fresh = reading(deaf, reads, story.reader.userId, own)
  const { positions: to } = await readSyncHeads(reads)
  for (const [i, { text, news }] of story.tokens.entries()) {
    const reader = i === 0 ? late : fresh
    assert.deepEqual(newsIn(await syncOf(reader, { since: text }), story.room), news, `since token ${i}`)
    const token = readSyncToken(text)
    assert(token.kind === 'token')
    const lists = await deviceListsBetween(reads, story.reader.userId, { from: token.token.positions, to })
    assert.deepEqual([...lists.changed].sort(), devicesOf(news), `keys changed since token ${i}`)
  }
  late.dispose()
  fresh.dispose()
}

describe('after a sweep', () => {
  it('every old token is told the latest of everything since', { timeout: 180_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60 }), (steps) => run(steps)),
      { numRuns: 12, endOnFailure: true },
    )
  })

  it('superseded rows of every kind are gone', { timeout: 60_000 }, async () => {
    const story = await Story.begin()
    await sweep(10, 1000)
    for (let i = 0; i < 3; i++) {
      await story.act({ kind: 'read', who: 'reader', thread: 'main', hidden: i > 1 })
      await story.act({ kind: 'read', who: 'other', thread: '', hidden: false })
      await story.act({ kind: 'accountData', type: 'a', global: true })
      await story.act({ kind: 'accountData', type: 'a', global: false })
      await story.act({ kind: 'profile' })
      await story.act({ kind: 'device', who: 'reader' })
      await story.act({ kind: 'device', who: 'other' })
    }
    const deleted = await sweep(10, 1000)
    assert.deepEqual(
      { receipt: deleted['receipt'], accountData: deleted['accountData'], deviceList: deleted['deviceList'] },
      { receipt: 3, accountData: 4, deviceList: 4 },
    )
    // The cursors may stand before the last changes, that is, before rows that would go otherwise.
    assert((deleted['userDevices'] ?? 0) >= 2 && (deleted['profile'] ?? 0) >= 1, JSON.stringify(deleted))
  })
})
