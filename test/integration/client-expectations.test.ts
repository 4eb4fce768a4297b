/** What clients rely on where the specification leaves it open or says otherwise; each was found by a conformance suite. */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startAccountServer } from '../support/account-server.ts'
import { Person } from '../support/account-people.ts'
import { startRoomServer, type RoomServer } from '../support/room-server.ts'
import { SyncWorld } from '../support/sync-world.ts'

let world: SyncWorld
let server: RoomServer

before(async () => {
  ;[world, server] = await Promise.all([SyncWorld.open(), startRoomServer(['alice', 'bob'])])
})
after(() => Promise.all([world[Symbol.asyncDispose](), server[Symbol.asyncDispose]()]))

test('a room that one has come into since the last sync is limited, be its timeline complete', async () => {
  const [ann, ben] = await Promise.all([world.person('amy'), world.person('bea')])
  const room = await world.room(ann)
  await ann.send(room, 'first')
  const before = await ben.sync()
  await ben.member(room, 'join')
  const { timeline } = (await ben.sync({ since: before.next_batch })).rooms.join[room]
  assert.equal(timeline.limited, true)
  assert.equal(timeline.events[0].type, 'm.room.create')
  assert.equal((await ben.sync()).rooms.join[room].timeline.limited, false)
})

test('a leave that was forgotten at once is still told to whoever has not heard of it', async () => {
  const [ann, ben] = await Promise.all([world.person('ann'), world.person('ben')])
  const room = await world.room(ann)
  await ben.member(room, 'join')
  const before = await ben.sync()
  await ben.member(room, 'leave')
  await world.ask.ask('user', ben.userId, 'forget', { roomId: room })
  const told = await ben.sync({ since: before.next_batch })
  assert.deepEqual(Object.keys(told.rooms.leave), [room])
  assert.equal((await ben.sync({ since: told.next_batch })).rooms, undefined)
})

test('members at the beginning of the history are those who made the room', async () => {
  const alice = server.person('alice')
  const bob = server.person('bob')
  const room = await alice.createRoom()
  await bob.join(room)
  const path = `v3/rooms/${encodeURIComponent(room)}`
  const { chunk, end } = await alice.get(`${path}/messages?dir=b&limit=500`)
  assert.equal(chunk.at(-1).type, 'm.room.create')
  const members = await alice.get(`${path}/members?at=${end}`)
  assert.deepEqual(
    members.chunk.map((event: { state_key: string }) => event.state_key),
    [alice.userId],
  )
})

test('the last events of a room come with a token, and only nothing comes without one', async () => {
  const alice = server.person('alice')
  const room = await alice.createRoom()
  await alice.send(room, 'only')
  const path = `v3/rooms/${encodeURIComponent(room)}/messages`
  for (const dir of ['b', 'f']) {
    const { end } = await alice.get(`${path}?dir=${dir}&limit=500`)
    assert.deepEqual((await alice.get(`${path}?dir=${dir}&from=${end}`)).end, undefined)
  }
})

test('who may not read a room is told so before anything else that is wrong', async () => {
  const room = await server.person('alice').createRoom()
  const path = `v3/rooms/${encodeURIComponent(room)}/messages`
  assert.equal((await server.person('bob').ask('GET', path)).body.errcode, 'M_FORBIDDEN')
  assert.equal((await server.person('alice').ask('GET', path)).body.errcode, 'M_MISSING_PARAM')
})

test('a thread may be read up to anything that refers to its root, however indirectly', async () => {
  const alice = server.person('alice')
  const room = await alice.createRoom()
  const path = `v3/rooms/${encodeURIComponent(room)}`
  const relating = (rel_type: string, event_id: string) => ({
    'm.relates_to': { rel_type, event_id, key: '+' },
  })
  const root = await alice.send(room, 'root')
  const inside = await alice.send(room, { body: 'in', ...relating('m.thread', root) })
  const reference = await alice.send(room, { body: 'about', ...relating('m.reference', root) })
  const reaction = await alice.send(room, relating('m.annotation', reference), 'm.reaction')
  const read = async (event: string, thread: string) =>
    (await alice.ask('POST', `${path}/receipt/m.read/${event}`, { thread_id: thread })).status
  assert.deepEqual(
    [await read(inside, root), await read(reaction, root), await read(reaction, 'main')],
    [200, 200, 200],
  )
  assert.deepEqual(
    [await read(inside, 'main'), await read(inside, reference), await read(root, inside)],
    [400, 400, 400],
  )
})

test('an avatar may have any URI, and a push rule of an unknown kind does not exist', async () => {
  await using accounts = await startAccountServer()
  const alice = await Person.register(accounts)
  const path = `/profile/${alice.userId}/avatar_url`
  await alice.must('PUT', path, { avatar_url: 'https://example.org/me.png' })
  assert.deepEqual(await alice.must('GET', path), { avatar_url: 'https://example.org/me.png' })
  const rule = await alice.call('GET', '/pushrules/global/postcontent/mine')
  assert.deepEqual([rule.status, rule.body['errcode']], [404, 'M_NOT_FOUND'])
})
