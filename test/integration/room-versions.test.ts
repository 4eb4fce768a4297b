/**
 * Rooms of every version live on the server: one story in each, told by people over HTTP, read back as it was by a server that was started anew, and
 * accepted event by event by the checks that another server would make.
 */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { auditRooms } from '../support/room-audit.ts'
import { register, type Json, type MatrixUser, type RoomEvent } from '../support/matrix.ts'
import { testDatabase, type TestDatabase } from '../support/postgres.ts'
import { freePort, startTroupe, type TroupeProcess } from '../support/process.ts'
import { RoomSight, type RoomRecord } from '../support/room-sight.ts'

const serverName = 'test.local'
const versions = Array.from({ length: 12 }, (_, index) => index + 1)

let database: TestDatabase
let server: TroupeProcess
let port: number
let people: { alice: MatrixUser; bob: MatrixUser; carol: MatrixUser; dave: MatrixUser }

before(async () => {
  database = await testDatabase({ serverName })
  port = await freePort()
  server = await start()
  const named = (name: string): Promise<MatrixUser> => register(server.url, name)
  people = {
    alice: await named('alice'),
    bob: await named('bob'),
    carol: await named('carol'),
    dave: await named('dave'),
  }
})

after(async () => {
  await server?.[Symbol.asyncDispose]()
  await database?.[Symbol.asyncDispose]()
})

function start(): Promise<TroupeProcess> {
  return startTroupe({ port, env: { DATABASE_URL: database.url, TROUPE_SERVER_NAME: serverName } })
}

async function makeRoom(who: MatrixUser, version: number, options: Json = {}): Promise<RoomSight> {
  return new RoomSight(who, await who.createRoom({ room_version: String(version), ...options }))
}

async function talk(room: RoomSight, version: number): Promise<void> {
  const { alice, bob } = people
  const first = await alice.text(room.roomId, 'hello')
  const edit = { 'm.new_content': { msgtype: 'm.text', body: 'hello!' }, msgtype: 'm.text', body: '* hello!' }
  await alice.send(room.roomId, { ...edit, 'm.relates_to': { rel_type: 'm.replace', event_id: first } })
  const annotation = { rel_type: 'm.annotation', event_id: first, key: '👍' }
  const reaction = await bob.send(room.roomId, { 'm.relates_to': annotation }, 'm.reaction')
  const rude = await bob.text(room.roomId, 'something rude')
  const shape =
    version < 3 ? /^\$[\w-]+:test\.local$/ : version === 3 ? /^\$[A-Za-z0-9+/]{43}$/ : /^\$[\w-]{43}$/
  for (const id of [first, reaction, rude]) assert.match(id, shape)
  const edited = await room.event(first)
  assert.equal((edited.unsigned as { 'm.relations': Json })['m.relations']['m.replace'] === undefined, false)
  const related = await alice.ok<{ chunk: RoomEvent[] }>(
    'GET',
    room.path(`relations/${encodeURIComponent(first)}/m.annotation`, 'v1'),
  )
  assert.deepEqual(
    related.chunk.map((event) => event.event_id),
    [reaction],
  )
  const around = await bob.ok<{ event: RoomEvent }>(
    'GET',
    room.path(`context/${encodeURIComponent(rude)}?limit=2`),
  )
  assert.equal(around.event.event_id, rude)
  await redactBoth(room, { first, reaction, rude })
}

/** Own by `/send`, which takes redactions in every room version, another's by `/redact`. */
async function redactBoth(
  room: RoomSight,
  ids: { readonly first: string; readonly reaction: string; readonly rude: string },
): Promise<void> {
  const { alice, bob } = people
  const target = (id: string): string => `redact/${encodeURIComponent(id)}/${alice.nextTxn()}`
  assert.equal(await room.as(bob).outcome('PUT', target(ids.first)), '403 M_FORBIDDEN')
  const txn = bob.nextTxn()
  const own = await bob.send(room.roomId, { redacts: ids.reaction, reason: 'oops' }, 'm.room.redaction', txn)
  const repeated = { redacts: ids.reaction, reason: 'oops' }
  assert.equal(await bob.send(room.roomId, repeated, 'm.room.redaction', txn), own)
  assert.equal(await room.outcome('PUT', target(ids.rude), { reason: 'rude' }), 'ok')
  for (const [id, reason] of [
    [ids.reaction, 'oops'],
    [ids.rude, 'rude'],
  ] as const) {
    const redacted = await room.event(id)
    assert.deepEqual(redacted.content, {})
    const because = redacted.unsigned?.['redacted_because'] as RoomEvent & { redacts: string }
    assert.equal(because.redacts, id)
    assert.deepEqual(because.content, { reason, redacts: id })
    assert.deepEqual((await room.event(because.event_id)).content, { reason, redacts: id })
  }
}

async function moderate(room: RoomSight, version: number): Promise<void> {
  const { alice, bob, carol } = people
  const levels = await room.state('m.room.power_levels')
  const text = { ...levels, users: { ...(levels['users'] as Json), [bob.userId]: '50' } }
  assert.equal(
    await room.outcome('PUT', 'state/m.room.power_levels', text),
    version < 10 ? 'ok' : '400 M_BAD_JSON',
  )
  if (version >= 10) {
    await room.set('m.room.power_levels', { ...text, users: { ...text.users, [bob.userId]: 50 } })
  }
  await room.as(bob).set('m.room.topic', { topic: 'set by bob' })
  const over = { ...levels, users: { ...(levels['users'] as Json), [bob.userId]: 60 } }
  assert.equal(await room.as(bob).outcome('PUT', 'state/m.room.power_levels', over), '403 M_FORBIDDEN')
  await room.post('invite', { user_id: carol.userId })
  await carol.join(room.roomId)
  assert.equal(await room.as(carol).outcome('POST', 'kick', { user_id: bob.userId }), '403 M_FORBIDDEN')
  await room.as(bob).post('kick', { user_id: carol.userId, reason: 'noise' })
  await room.as(bob).post('ban', { user_id: carol.userId })
  assert.equal(await room.as(carol).outcome('POST', 'join'), '403 M_FORBIDDEN')
  await room.post('unban', { user_id: carol.userId })
  assert.equal(await room.as(bob).outcome('POST', 'ban', { user_id: alice.userId }), '403 M_FORBIDDEN')
}

async function knock(room: RoomSight, version: number): Promise<void> {
  const { carol } = people
  await room.joinRule('knock')
  const request = () => carol.call('POST', `/_matrix/client/v3/knock/${encodeURIComponent(room.roomId)}`, {})
  if (version < 7) {
    assert.equal((await request()).body['errcode'], 'M_FORBIDDEN')
    assert.equal(await room.as(carol).outcome('POST', 'join'), '403 M_FORBIDDEN')
    return
  }
  assert.equal((await request()).status, 200)
  await room.post('invite', { user_id: carol.userId })
  await carol.join(room.roomId)
  await carol.leave(room.roomId)
  assert.equal((await request()).status, 200)
  await carol.leave(room.roomId)
}

async function restrict(room: RoomSight, version: number): Promise<void> {
  const { alice, carol, dave } = people
  const side = await makeRoom(alice, version, { preset: 'public_chat' })
  await carol.join(side.roomId)
  await room.joinRule('restricted', side.roomId)
  const joins = (who: MatrixUser): Promise<string> => room.as(who).outcome('POST', 'join')
  assert.equal(await joins(dave), '403 M_FORBIDDEN')
  assert.equal(await joins(carol), version < 8 ? '403 M_FORBIDDEN' : 'ok')
  if (version >= 8) {
    const member = await room.state('m.room.member', carol.userId)
    assert.equal(member['join_authorised_via_users_server'], alice.userId)
    await carol.leave(room.roomId)
  }
  await room.set('m.room.join_rules', { join_rule: 'restricted', allow: 'unreadable' })
  assert.equal(await joins(carol), '403 M_FORBIDDEN')
  await room.joinRule('knock_restricted', side.roomId)
  const knocks = await dave.call('POST', `/_matrix/client/v3/knock/${encodeURIComponent(room.roomId)}`, {})
  assert.equal(knocks.status, version < 10 ? 403 : 200)
  assert.equal(await joins(carol), version < 10 ? '403 M_FORBIDDEN' : 'ok')
}

/** Until version 5 the servers of a room list their aliases in it, by a rule of its own. */
async function listAliases(room: RoomSight, version: number): Promise<void> {
  const { dave } = people
  const path = `state/m.room.aliases/${serverName}`
  assert.equal(await room.as(dave).outcome('PUT', path, { aliases: [] }), '403 M_FORBIDDEN')
  assert.equal(await room.outcome('PUT', path, { aliases: [] }), 'ok')
  assert.equal(
    await room.outcome('PUT', 'state/m.room.aliases/other.example', { aliases: [] }),
    version < 6 ? '403 M_FORBIDDEN' : 'ok',
  )
}

async function checkCreation(room: RoomSight, version: number): Promise<void> {
  const { alice } = people
  const content = await room.state('m.room.create')
  assert.equal(content['room_version'], String(version))
  assert.equal(content['creator'], version < 11 ? alice.userId : undefined)
  assert.match(room.roomId, version < 12 ? /^![\w-]+:test\.local$/ : /^![\w-]{43}$/)
  const { users } = await room.state('m.room.power_levels')
  assert.deepEqual(users, version < 12 ? { [alice.userId]: 100 } : {})
}

const told = new Map<number, { room: RoomSight; seen: RoomRecord }>()

describe('a room', () => {
  for (const version of versions) {
    test(`of version ${version} lives: talk, redactions, moderation, knocks, restricted joins`, async () => {
      const { alice, bob } = people
      const room = await makeRoom(alice, version, { name: 'Hall', topic: 'first', invite: [bob.userId] })
      await checkCreation(room, version)
      await bob.join(room.roomId)
      assert.equal(await room.as(people.dave).outcome('POST', 'join'), '403 M_FORBIDDEN')
      await talk(room, version)
      await moderate(room, version)
      await knock(room, version)
      await restrict(room, version)
      await listAliases(room, version)
      const seen = await room.everything()
      const synced = await bob.sync(undefined, { filter: { room: { timeline: { limit: 100 } } } })
      const events = synced.rooms?.join?.[room.roomId]?.timeline?.events ?? []
      assert.deepEqual(
        events.map((event) => event.event_id),
        seen.timeline.map((event) => event['event_id']),
      )
      told.set(version, { room, seen })
    })
  }
})

test('who is invited to a trusted private chat can do in every version what its creator can', async () => {
  const { alice, bob } = people
  for (const version of versions) {
    const room = await makeRoom(alice, version, { preset: 'trusted_private_chat', invite: [bob.userId] })
    const { users } = await room.state('m.room.power_levels')
    const { additional_creators: creators } = await room.state('m.room.create')
    assert.deepEqual(users, version < 12 ? { [alice.userId]: 100, [bob.userId]: 100 } : {})
    assert.deepEqual(creators, version < 12 ? undefined : [bob.userId])
    await bob.join(room.roomId)
    await room.as(bob).set('m.room.server_acl', { allow: ['*'] })
  }
})

/** What must be so in a room that an upgrade has made, whatever the versions. */
async function checkSuccessor(old: RoomSight, next: RoomSight, version: number): Promise<void> {
  const { alice } = people
  const create = await next.state('m.room.create')
  assert.equal(create['room_version'], String(version))
  assert.equal((create['predecessor'] as Json)['room_id'], old.roomId)
  assert.equal((await old.state('m.room.tombstone'))['replacement_room'], next.roomId)
  // The creator can do here what she could do there.
  const { users, ...levels } = await next.state('m.room.power_levels')
  const own = (users as Record<string, number>)[alice.userId]
  assert.equal(own === undefined, version >= 12)
  const highest = Math.max(...Object.values(levels['events'] as Record<string, number>))
  if (own !== undefined) assert.ok(own >= highest, `${own} and ${highest}`)
}

async function upgrade(old: RoomSight, version: number): Promise<RoomSight> {
  const { replacement_room: roomId } = await old.who.ok<{ replacement_room: string }>(
    'POST',
    old.path('upgrade'),
    { new_version: String(version) },
  )
  return new RoomSight(old.who, roomId)
}

describe('an upgrade', () => {
  for (const from of versions) {
    test(`leads from version ${from} to every version, and from there on`, async () => {
      const { alice, bob } = people
      for (const to of versions) {
        const old = await makeRoom(alice, from, { preset: 'public_chat', name: `From ${from}` })
        if (from < 10) {
          const levels = await old.state('m.room.power_levels')
          await old.set('m.room.power_levels', { ...levels, ban: '75', notifications: { room: '60' } })
        }
        const next = await upgrade(old, to)
        await checkSuccessor(old, next, to)
        assert.deepEqual(await next.state('m.room.name'), { name: `From ${from}` })
        if (from < 10) assert.equal((await next.state('m.room.power_levels'))['ban'], 75)
        await bob.join(next.roomId)
        await bob.text(next.roomId, 'here')
        assert.equal(await old.as(bob).outcome('PUT', `send/m.room.message/late${to}`), '403 M_FORBIDDEN')
      }
    })
  }

  test('there and back through all versions keeps the room usable', async () => {
    let room = await makeRoom(people.alice, 12, { preset: 'public_chat' })
    await room.joinRule('knock_restricted', room.roomId)
    for (const version of [1, 11, 2, 10, 3, 9, 4, 8, 5, 7, 6, 12, 12, 6]) {
      const next = await upgrade(room, version)
      await checkSuccessor(room, next, version)
      room = next
    }
    // What version 1 has instead of the rule is the strictest one, and nobody is let in by having been upgraded again.
    assert.equal((await room.state('m.room.join_rules'))['join_rule'], 'invite')
    await room.post('invite', { user_id: people.bob.userId })
    await people.bob.join(room.roomId)
  })
})

describe('after all that', () => {
  test('a server that is started anew shows the rooms as they were, and they go on', async () => {
    await server.stop()
    server = await start()
    assert.equal(told.size, versions.length)
    for (const { room, seen } of told.values()) {
      assert.deepEqual(await room.everything(), seen)
      const next = await room.who.text(room.roomId, 'still here')
      await room.set('m.room.name', { name: 'Later' })
      const { timeline } = await room.everything()
      assert.equal(timeline.at(-2)?.['event_id'], next)
      assert.deepEqual(timeline.at(-1)?.['content'], { name: 'Later' })
    }
  })

  test('every event would be accepted from another server', async () => {
    const counts = await auditRooms(database.database)
    for (const version of versions) assert.ok((counts.get(String(version)) ?? 0) > 100, `version ${version}`)
  })
})
