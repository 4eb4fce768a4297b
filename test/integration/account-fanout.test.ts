/** What follows in rooms from a change of a user: device list, profile, closed account. Real actors on a real Postgres. */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { parseUserId } from '#protocol/ids/user-id.ts'
import { logKinds } from '#storage/log-kinds.ts'
import { readFollowCursor, readFollowRows } from '#storage/users/following.ts'
import { shardOf } from '#actors/runtime/shards.ts'
import { Person, textOf } from '../support/account-people.ts'
import { startAccountServer, type AccountServer } from '../support/account-server.ts'
import { deviceKeys, makeKey } from '../support/e2ee-keys.ts'

let server: AccountServer

before(async () => {
  server = await startAccountServer()
})

after(() => server[Symbol.asyncDispose]())

async function makeRoom(owner: Person, guest?: Person): Promise<string> {
  const roomId = textOf(await owner.must('POST', '/createRoom', { preset: 'public_chat' }), 'room_id')
  if (guest !== undefined) await guest.must('POST', `/join/${encodeURIComponent(roomId)}`, {})
  return roomId
}

/** Positions in the room's log at which a device list changed. */
async function deviceListRows(roomId: string): Promise<{ pos: number; body: string }[]> {
  const rows = await server.database.reads.sql<{ pos: number; body: string }[]>`
    select l.pos, l.body from log l join room r using (room_nid)
    where r.room_id = ${roomId} and l.kind = ${logKinds.deviceList} order by l.pos`
  return [...rows]
}

async function memberEvents(roomId: string, userId: string): Promise<string[]> {
  const rows = await server.database.reads.sql<{ json: string }[]>`
    select e.json from log l join event e using (event_nid) join room r on r.room_nid = l.room_nid
    where r.room_id = ${roomId} and e.type = 'm.room.member' and e.state_key = ${userId} order by l.pos`
  return rows.map((row) => row.json)
}

test('new device keys are in the log of each room before the upload is answered', async () => {
  const alice = await Person.register(server)
  const bob = await Person.register(server)
  const rooms = await Promise.all([makeRoom(alice), makeRoom(bob, alice), makeRoom(bob)])
  await alice.must('POST', '/keys/upload', {
    device_keys: deviceKeys(alice.userId, alice.deviceId, makeKey()),
  })
  const counts = await Promise.all(rooms.map(async (roomId) => (await deviceListRows(roomId)).length))
  assert.deepEqual(counts, [1, 1, 0])
  await alice.must('POST', '/logout')
  const after = await Promise.all(rooms.map(async (roomId) => (await deviceListRows(roomId)).length))
  assert.deepEqual(after, [2, 2, 0])
})

test('one-time keys alone, and devices that never had keys, are nobody else’s business', async () => {
  const alice = await Person.register(server)
  const roomId = await makeRoom(alice)
  const phone = await alice.secondDevice()
  await phone.must('POST', '/keys/upload', { one_time_keys: { 'signed_curve25519:A': { key: 'a' } } })
  await phone.must('POST', '/logout')
  assert.deepEqual(await deviceListRows(roomId), [])
})

test('a changed name stands in the member event of each room before it is answered; the last of two wins', async () => {
  const alice = await Person.register(server)
  const bob = await Person.register(server)
  const roomId = await makeRoom(bob, alice)
  const path = `/profile/${alice.userId}/displayname`
  await Promise.all([
    alice.must('PUT', path, { displayname: 'One' }),
    alice.must('PUT', path, { displayname: 'Two' }),
  ])
  const { displayname } = await alice.must('GET', path)
  const events = await memberEvents(roomId, alice.userId)
  const last = JSON.parse(events.at(-1) ?? '{}') as { content: { displayname?: string; membership: string } }
  assert.deepEqual([last.content.membership, last.content.displayname], ['join', displayname])
  const before = events.length
  await alice.must('PUT', `/profile/${alice.userId}/org.example.field`, { 'org.example.field': 1 })
  assert.equal((await memberEvents(roomId, alice.userId)).length, before)
})

test('an owner of before who wakes up late cannot give a room a name of before', async () => {
  const alice = await Person.register(server)
  const roomId = await makeRoom(alice)
  await alice.must('PUT', `/profile/${alice.userId}/displayname`, { displayname: 'Now' })
  const before = await memberEvents(roomId, alice.userId)
  // As the room sees it after it was loaded anew: it knows of no position of her shard.
  const source = { shard: 1, pos: 1_000_000 }
  await server.ask.ask('room', roomId, 'profile', {
    userId: parseUserId(alice.userId),
    source,
    profile: { displayname: 'Before' },
  })
  assert.deepEqual(await memberEvents(roomId, alice.userId), before)
})

test('a closed account has left its rooms', async () => {
  const alice = await Person.register(server)
  const bob = await Person.register(server)
  const roomId = await makeRoom(bob, alice)
  await alice.must('POST', '/account/deactivate', { auth: alice.auth, erase: true })
  const events = await memberEvents(roomId, alice.userId)
  const last = JSON.parse(events.at(-1) ?? '{}') as { content: { membership: string } }
  assert.equal(last.content.membership, 'leave')
})

test('a row that was committed and not told is told by whoever claims the shard next, and then the cursor has passed it', async () => {
  const alice = await Person.register(server)
  const roomId = await makeRoom(alice)
  await alice.must('POST', '/keys/upload', {
    device_keys: deviceKeys(alice.userId, alice.deviceId, makeKey()),
  })
  assert.equal((await deviceListRows(roomId)).length, 1)
  // As after a crash between the commit of the user's row and the rooms': the cursor stands before the row, and the room lacks its own.
  await using session = server.database.session('crash')
  await session.sql`delete from cursor where kind = 'devices'`
  await session.sql`
    delete from log l using room r
    where r.room_nid = l.room_nid and r.room_id = ${roomId} and l.kind = ${logKinds.deviceList}
      and l.pos < (select max(pos) from log m where m.shard_id = l.shard_id)`
  const left = (await deviceListRows(roomId)).length
  server = await server.restart()
  const told = async (): Promise<number> => (await deviceListRows(roomId)).length
  const shard = shardOf(alice.userId)
  const untold = async (): Promise<number> => {
    const after = await readFollowCursor(server.database.reads, 'devices', shard)
    return (await readFollowRows(server.database.reads, { kind: 'devices', shard, after, limit: 1 })).length
  }
  const until = Date.now() + 10_000
  while ((await untold()) > 0 && Date.now() < until) await server.ask.ask('user', alice.userId, 'spread', {})
  assert.deepEqual([await told(), await untold()], [left + 1, 0])
})
