/** Initial syncs by a host that has answered others before, and keeps what it has read, beside those of one that reads everything. */

import assert from 'node:assert/strict'
import { after, before, it } from 'node:test'
import { systemClock } from '#actors/runtime/clock.ts'
import { SyncHost } from '#actors/user/sync/host.ts'
import type { RoomId } from '#protocol/ids/room-id.ts'
import {
  deafFeed,
  reading,
  type Response,
  syncOf,
  SyncWorld,
  type SyncingPerson,
} from '../support/sync-world.ts'

let world: SyncWorld
before(async () => {
  world = await SyncWorld.open()
})
after(() => world[Symbol.asyncDispose]())

/** What differs from one moment to the next is taken out. */
function steady(response: Response): Response {
  const { next_batch: _nextBatch, ...rest } = response
  const text = JSON.stringify(rest).replaceAll(/"age":\d+,?/g, '')
  const rooms = JSON.parse(text).rooms.join
  for (const room of Object.values<Response>(rooms))
    room.state.events.sort((a: Response, b: Response) => (a.event_id < b.event_id ? -1 : 1))
  return rooms
}

async function readAnew(person: SyncingPerson, filter: string): Promise<Response> {
  const [own] = world.hosts
  if (own === undefined) throw new Error('there is no host')
  const { reads } = world.database
  using host = new SyncHost({ feed: deafFeed(own.feed), reads, clock: systemClock })
  const sync = reading(host, reads, person.userId)
  try {
    return await syncOf(sync, { filter })
  } finally {
    sync.dispose()
  }
}

/** What people do in a room, one after the other; each is seen by the next initial sync. */
async function* deeds(ann: SyncingPerson, ben: SyncingPerson, room: RoomId): AsyncGenerator<string> {
  yield 'nothing'
  const first = await ann.send(room, 'first')
  yield 'a message'
  const edit = {
    body: '* edited',
    msgtype: 'm.text',
    'm.new_content': { body: 'edited', msgtype: 'm.text' },
    'm.relates_to': { rel_type: 'm.replace', event_id: first },
  }
  const edited = await ann.send(room, edit)
  yield 'an edit'
  for (let i = 0; i < 12; i++) await ann.send(room, `more ${i}`)
  yield 'more than a timeline holds'
  const last = await ann.send(room, {
    body: 'in a thread',
    'm.relates_to': { rel_type: 'm.thread', event_id: first },
  })
  yield 'a thread'
  await ben.read(room, last)
  yield 'a receipt'
  await ann.redact(room, last)
  yield 'a redaction'
  await ann.redact(room, edited)
  yield 'the edit redacted'
  await ann.state(room, 'm.room.topic', { topic: 'new' })
  yield 'a topic'
  await ben.member(room, 'leave')
  await ann.send(room, 'without ben')
  await ben.member(room, 'join')
  yield 'ben away and back'
}

for (const filter of ['{}', '{"room":{"timeline":{"limit":3},"state":{"lazy_load_members":true}}}']) {
  it(`an initial sync tells what one without memory tells, whatever happened since the one before: ${filter}`, async () => {
    const name = filter.length
    const [ann, ben] = await Promise.all([world.person(`ann${name}`), world.person(`ben${name}`)])
    const room = await world.room(ann)
    await ben.member(room, 'join')
    for await (const deed of deeds(ann, ben, room)) {
      for (const person of [ann, ben]) {
        const wanted = steady(await readAnew(person, filter))
        for (const turn of [1, 2])
          assert.deepEqual(
            steady(await person.sync({ filter })),
            wanted,
            `${person.userId} after ${deed}, ${turn}`,
          )
      }
    }
  })
}

it('an initial sync asks Postgres no more often for many rooms than for a few', async () => {
  const [ann, ben] = await Promise.all([world.person('ann'), world.person('ben')])
  const addRooms = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      const room = await world.room(ann)
      await ben.member(room, 'join')
      await ann.state(room, 'm.room.topic', { topic: `${i}` })
      await ann.send(room, 'unread')
    }
    // From here on what happens in them is heard.
    await ben.sync()
  }
  await addRooms(2)
  const forFew = await statementsOf(ben)
  await addRooms(6)
  assert.equal(await statementsOf(ben), forFew)
})

/** How often an initial sync asks Postgres on a host that has read nothing before. */
async function statementsOf(person: SyncingPerson): Promise<number> {
  const [own] = world.hosts
  if (own === undefined) throw new Error('there is no host')
  let statements = 0
  const sql = new Proxy(world.database.reads.sql, {
    apply: (target, self, args): unknown => {
      statements++
      return Reflect.apply(target, self, args)
    },
  })
  using host = new SyncHost({ feed: own.feed, reads: { sql }, clock: systemClock })
  const sync = reading(host, { sql }, person.userId)
  try {
    await syncOf(sync)
    return statements
  } finally {
    sync.dispose()
  }
}
