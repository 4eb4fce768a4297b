import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { MatrixError } from '#protocol/errors.ts'
import type { EventId } from '#protocol/ids/event-id.ts'
import { membershipChanges } from '#storage/rooms/membership.ts'
import { placedEvent } from '#storage/rooms/placed-events.ts'
import { readReceiptsOfUser } from '#storage/rooms/receipts.ts'
import { roomStanding } from '#storage/rooms/activation.ts'
import { shardOf } from '#actors/runtime/shards.ts'
import { alice, bob, carol, createRequest, type RoomPlan } from '../support/room-builder.ts'
import { RoomHarness } from '../support/room-harness.ts'
import { testDatabase, type TestDatabase } from '../support/postgres.ts'

let test_: TestDatabase
let rooms: RoomHarness

before(async () => {
  test_ = await testDatabase({ serverName: 'test.local' })
  rooms = new RoomHarness(test_.database, 'test.local')
})
after(() => test_[Symbol.asyncDispose]())

let made = 0
async function makeRoom(plan: Partial<RoomPlan> = {}): Promise<string> {
  const request = createRequest({ creator: alice, at: 1_700_000_000_000 + made++, ...plan })
  return (await rooms.ask(request.roomId, 'create', request)).roomId
}

function refused(code: string): (error: unknown) => boolean {
  return (error) => error instanceof MatrixError && error.errcode === code
}

function message(sender: typeof alice, txnId: string, content = { body: 'hello', msgtype: 'm.text' }) {
  return { sender, deviceId: 'DEV', txnId, type: 'm.room.message', content }
}

const profile = {}

describe('creation', () => {
  for (const version of ['1', '2', '3', '11', '12']) {
    test(`a room of version ${version} comes into being with its first events, once`, async () => {
      const at = 1_600_000_000_000 + Number(version)
      const request = createRequest({ creator: alice, version, at, invites: [bob] })
      await rooms.ask(request.roomId, 'create', request)
      rooms.forget(request.roomId)
      assert.deepEqual(await rooms.ask(request.roomId, 'create', request), { roomId: request.roomId })
      const rows = await test_.database.reads.sql`select e.type from log l join event e using (event_nid)
        join room r on r.room_nid = l.room_nid where r.room_id = ${request.roomId} order by l.pos`
      assert.deepEqual(
        rows.map((row) => row['type']),
        [
          'm.room.create',
          'm.room.member',
          'm.room.power_levels',
          'm.room.join_rules',
          'm.room.history_visibility',
          'm.room.member',
        ],
      )
    })
  }

  for (const version of ['1', '2', '3']) {
    test(`two rooms of version ${version} cannot have one id`, async () => {
      const request = createRequest({ creator: alice, version, at: 1_600_000_001_000 + Number(version) })
      await rooms.ask(request.roomId, 'create', request)
      const other = { ...request, createContent: { ...request.createContent, type: 'm.space' } }
      await assert.rejects(rooms.ask(request.roomId, 'create', other), refused('M_ROOM_IN_USE'))
      const newer = { ...request, version: '4' }
      await assert.rejects(rooms.ask(request.roomId, 'create', newer), refused('M_ROOM_IN_USE'))
    })
  }

  test('a room with one event that is not allowed is not made at all', async () => {
    const state = [{ type: 'm.room.power_levels', stateKey: '', content: { users: { [alice]: 100 } } }]
    await assert.rejects(makeRoom({ state }), refused('M_BAD_JSON'))
  })

  test('a room that does not exist answers that it is not found', async () => {
    await assert.rejects(rooms.ask('!none:test.local', 'send', message(alice, 'x')), refused('M_NOT_FOUND'))
  })

  test('users of other servers cannot be invited', async () => {
    const invites = ['@eve:other.example' as typeof alice]
    await assert.rejects(makeRoom({ invites }), refused('M_FORBIDDEN'))
  })
})

describe('sending', () => {
  test('the same transaction gives the same event, also after the room was loaded anew', async () => {
    const room = await makeRoom()
    const first = await rooms.ask(room, 'send', message(alice, 't1'))
    assert.deepEqual(await rooms.ask(room, 'send', message(alice, 't1')), first)
    rooms.forget(room)
    assert.deepEqual(await rooms.ask(room, 'send', message(alice, 't1')), first)
    assert.notDeepEqual(await rooms.ask(room, 'send', message(alice, 't2')), first)
  })

  test('those who are not in the room may not send', async () => {
    const room = await makeRoom()
    await assert.rejects(rooms.ask(room, 'send', message(bob, 't1')), refused('M_FORBIDDEN'))
  })

  test('an event above the size limit is refused with M_TOO_LARGE', async () => {
    const room = await makeRoom()
    const content = { body: 'x'.repeat(70_000), msgtype: 'm.text' }
    await assert.rejects(rooms.ask(room, 'send', message(alice, 't1', content)), refused('M_TOO_LARGE'))
  })

  test('each event stands on the one before and its depth grows, across a reload', async () => {
    const room = await makeRoom()
    const a = await rooms.ask(room, 'send', message(alice, 't1'))
    rooms.forget(room)
    const b = await rooms.ask(room, 'send', message(alice, 't2'))
    const { roomNid } = await standing(room)
    const event = await placedEvent(test_.database.reads, roomNid, b.eventId)
    const before = await placedEvent(test_.database.reads, roomNid, a.eventId)
    const pdu = JSON.parse(event?.event.json ?? '{}')
    assert.deepEqual(pdu.prev_events, [a.eventId])
    assert.equal(pdu.depth, JSON.parse(before?.event.json ?? '{}').depth + 1)
  })

  test('a second equal reaction is refused', async () => {
    const room = await makeRoom()
    const { eventId } = await rooms.ask(room, 'send', message(alice, 't1'))
    const reaction = (txnId: string, key: string) => ({
      sender: alice,
      deviceId: 'DEV',
      txnId,
      type: 'm.reaction',
      content: { 'm.relates_to': { rel_type: 'm.annotation', event_id: eventId, key } },
    })
    await rooms.ask(room, 'send', reaction('r1', '👍'))
    await rooms.ask(room, 'send', reaction('r2', '🎉'))
    await assert.rejects(rooms.ask(room, 'send', reaction('r3', '👍')), refused('M_DUPLICATE_ANNOTATION'))
  })

  test('a thread cannot start at an event that relates to another', async () => {
    const room = await makeRoom()
    const { eventId: root } = await rooms.ask(room, 'send', message(alice, 't1'))
    const inThread = (txnId: string, eventId: EventId) => ({
      ...message(alice, txnId),
      content: { body: 'x', msgtype: 'm.text', 'm.relates_to': { rel_type: 'm.thread', event_id: eventId } },
    })
    const reply = await rooms.ask(room, 'send', inThread('t2', root))
    await assert.rejects(rooms.ask(room, 'send', inThread('t3', reply.eventId)), refused('M_UNKNOWN'))
  })
})

async function standing(room: string) {
  const found = await roomStanding(test_.database.reads, room as never)
  assert.ok(found)
  return found
}

describe('state', () => {
  test('the same content again is the same event, another is a new one', async () => {
    const room = await makeRoom()
    const topic = (text: string) => ({
      sender: alice,
      type: 'm.room.topic',
      stateKey: '',
      content: { topic: text },
    })
    const first = await rooms.ask(room, 'state', topic('one'))
    assert.deepEqual(await rooms.ask(room, 'state', topic('one')), first)
    rooms.forget(room)
    assert.deepEqual(await rooms.ask(room, 'state', topic('one')), first)
    assert.notDeepEqual(await rooms.ask(room, 'state', topic('two')), first)
  })

  test('power levels that are not integers are refused', async () => {
    const room = await makeRoom()
    for (const level of ['100', ' 10 ', 1.5, null, true]) {
      const content = { users: { [bob]: level } }
      const request = { sender: alice, type: 'm.room.power_levels', stateKey: '', content }
      await assert.rejects(rooms.ask(room, 'state', request), refused('M_BAD_JSON'))
    }
  })

  test('a state of hundreds of entries is found again after a reload', async () => {
    const room = await makeRoom()
    const entry = (n: number) => ({ sender: alice, type: 'org.test', stateKey: `k${n}`, content: { n } })
    const first = await rooms.ask(room, 'state', entry(0))
    for (let n = 1; n < 100; n++) await rooms.ask(room, 'state', entry(n))
    rooms.forget(room)
    assert.deepEqual(await rooms.ask(room, 'state', entry(0)), first)
  })
})

describe('membership', () => {
  test('a life: invite, join, leave, join, kick, ban, unban, each row with the membership before', async () => {
    const room = await makeRoom({ joinRule: 'invite' })
    const change = (action: 'invite' | 'join' | 'leave' | 'kick' | 'ban' | 'unban', sender: typeof alice) =>
      rooms.ask(room, 'membership', { action, sender, target: bob, profile })
    await assert.rejects(change('join', bob), refused('M_FORBIDDEN'))
    await change('invite', alice)
    await change('join', bob)
    assert.deepEqual(await change('join', bob), {})
    await change('leave', bob)
    assert.deepEqual(await change('leave', bob), {})
    await change('invite', alice)
    await change('join', bob)
    await change('kick', alice)
    await assert.rejects(change('kick', alice), refused('M_FORBIDDEN'))
    await assert.rejects(change('unban', alice), refused('M_BAD_STATE'))
    await change('ban', alice)
    await assert.rejects(change('invite', alice), refused('M_FORBIDDEN'))
    await change('unban', alice)
    const place = { roomNid: (await standing(room)).roomNid, shard: shardOf(room) }
    const changes = await membershipChanges(test_.database.reads, place, bob)
    assert.deepEqual(
      changes.map((each) => each.membership),
      ['invite', 'join', 'leave', 'invite', 'join', 'leave', 'ban', 'leave'],
    )
    const hints = rooms.hints.filter((hint) => hint.userId === bob).slice(-8)
    assert.deepEqual(
      hints.map((hint) => hint.body),
      changes.map(({ pos }) => ({ shard: place.shard, pos })),
    )
  })

  test('a restricted room lets in the members of the allowed room, authorised by one who may invite', async () => {
    const hall = await makeRoom()
    const state = [
      {
        type: 'm.room.join_rules',
        stateKey: '',
        content: { join_rule: 'restricted', allow: [{ type: 'm.room_membership', room_id: hall }] },
      },
    ]
    const room = await makeRoom({ state })
    const join = (where: string) =>
      rooms.ask(where, 'membership', { action: 'join', sender: bob, target: bob, profile })
    await assert.rejects(join(room), refused('M_FORBIDDEN'))
    await join(hall)
    const { eventId } = await join(room)
    const event = await placedEvent(test_.database.reads, (await standing(room)).roomNid, eventId ?? '')
    const pdu = JSON.parse(event?.event.json ?? '{}')
    assert.equal(pdu.content.join_authorised_via_users_server, alice)
  })

  test('knocking needs the join rule', async () => {
    const closed = await makeRoom({ joinRule: 'invite' })
    const knocking = await makeRoom({ joinRule: 'knock' })
    const knock = (room: string) =>
      rooms.ask(room, 'membership', { action: 'knock', sender: bob, target: bob, profile, reason: 'please' })
    await assert.rejects(knock(closed), refused('M_FORBIDDEN'))
    assert.ok((await knock(knocking)).eventId)
  })
})

describe('redaction', () => {
  test('the stored event loses its content, and the redaction names it in its content', async () => {
    const room = await makeRoom()
    const { eventId } = await rooms.ask(room, 'send', message(alice, 't1'))
    const redact = {
      sender: alice,
      deviceId: 'DEV',
      txnId: 'r1',
      target: eventId,
      content: { reason: 'why' },
    }
    const redaction = await rooms.ask(room, 'redact', redact)
    assert.deepEqual(await rooms.ask(room, 'redact', redact), redaction)
    const { roomNid } = await standing(room)
    const target = await placedEvent(test_.database.reads, roomNid, eventId)
    assert.deepEqual(JSON.parse(target?.event.json ?? '{}').content, {})
    const event = await placedEvent(test_.database.reads, roomNid, redaction.eventId)
    assert.equal(target?.event.redactedBy, event?.event.nid)
    assert.deepEqual(JSON.parse(event?.event.json ?? '{}').content, { reason: 'why', redacts: eventId })
  })

  test("other people's events need the power to redact, one's own do not", async () => {
    const room = await makeRoom()
    await rooms.ask(room, 'membership', { action: 'join', sender: bob, target: bob, profile })
    const mine = await rooms.ask(room, 'send', message(bob, 't1'))
    const other = await rooms.ask(room, 'send', message(alice, 't1'))
    const redact = (target: EventId, txnId: string) =>
      rooms.ask(room, 'redact', { sender: bob, deviceId: 'DEV', txnId, target, content: {} })
    await assert.rejects(redact(other.eventId, 'a'), refused('M_FORBIDDEN'))
    await redact(mine.eventId, 'b')
    await assert.rejects(redact('$unknown' as EventId, 'c'), refused('M_NOT_FOUND'))
  })

  test('a redacted state event is redacted in the state that the room decides by', async () => {
    const room = await makeRoom()
    const topic = { sender: alice, type: 'm.room.topic', stateKey: '', content: { topic: 'secret' } }
    const { eventId } = await rooms.ask(room, 'state', topic)
    await rooms.ask(room, 'redact', {
      sender: alice,
      deviceId: 'DEV',
      txnId: 'r',
      target: eventId,
      content: {},
    })
    assert.notDeepEqual(await rooms.ask(room, 'state', topic), { eventId })
  })
})

describe('receipts and typing', () => {
  test('a receipt moves forward only', async () => {
    const room = await makeRoom()
    const a = await rooms.ask(room, 'send', message(alice, 't1'))
    const b = await rooms.ask(room, 'send', message(alice, 't2'))
    const read = (eventId: EventId) =>
      rooms.ask(room, 'receipt', { userId: alice, receiptType: 'm.read', threadId: '', eventId, ts: 1 })
    await read(b.eventId)
    await read(a.eventId)
    rooms.forget(room)
    await read(a.eventId)
    const receipts = await readReceiptsOfUser(test_.database.reads, alice, [(await standing(room)).roomNid])
    assert.deepEqual(
      receipts.map((receipt) => receipt.eventId),
      [b.eventId],
    )
    await assert.rejects(read('$none' as EventId), refused('M_NOT_FOUND'))
  })

  test('typing is told once, prolonged in silence, and ends with its timer', async () => {
    const room = await makeRoom()
    const typing = (value: boolean) =>
      rooms.ask(room, 'typing', { userId: alice, typing: value, timeoutMs: 1000 })
    await typing(true)
    await typing(true)
    rooms.clock.fire()
    await rooms.settled()
    const told = rooms.ephemeral.filter((event) => event.roomId === room)
    assert.deepEqual(
      told.map((event) => event.userIds),
      [[alice], []],
    )
    await assert.rejects(
      rooms.ask(room, 'typing', { userId: carol, typing: true, timeoutMs: 1 }),
      refused('M_FORBIDDEN'),
    )
  })
})

describe('what follows from members', () => {
  test('a profile is written once into the member event, and for an older change not at all', async () => {
    const room = await makeRoom()
    const apply = async (pos: number, displayname: string): Promise<void> => {
      const { sql } = test_.database.control
      await sql`
        insert into profile (user_id, key, value) values (${alice}, 'displayname', ${JSON.stringify(displayname)})
        on conflict (user_id, key) do update set value = excluded.value`
      await rooms.ask(room, 'profile', { userId: alice, source: { shard: 1, pos }, profile: {} })
    }
    const place = { roomNid: (await standing(room)).roomNid, shard: shardOf(room) }
    await apply(5, 'New')
    await apply(5, 'New')
    await apply(4, 'Old')
    assert.equal((await membershipChanges(test_.database.reads, place, alice)).length, 2)
  })

  test('a device list change is one row for a joined member and none for others', async () => {
    const room = await makeRoom()
    const { roomNid } = await standing(room)
    const change = { source: { shard: 1, pos: 9 } }
    await rooms.ask(room, 'deviceList', { userId: alice, ...change })
    await rooms.ask(room, 'deviceList', { userId: alice, ...change })
    await rooms.ask(room, 'deviceList', { userId: bob, ...change })
    const rows = await test_.database.reads.sql`select body from log where room_nid = ${roomNid} and kind = 5`
    assert.deepEqual(
      rows.map((row) => JSON.parse(row['body'])),
      [{ user: alice }],
    )
  })
})
