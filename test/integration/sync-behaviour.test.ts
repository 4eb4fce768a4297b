/** What `/sync` tells, section by section, asked of real actors on a real Postgres. */

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { MatrixError } from '#protocol/errors.ts'
import { formatSyncToken, parseSyncToken } from '#protocol/tokens/sync-token.ts'
import { parseRoomToken } from '#protocol/tokens/room-token.ts'
import { deviceListsBetween } from '#storage/sync/device-lists.ts'
import { type Response, SyncWorld, type SyncingPerson } from '../support/sync-world.ts'

let world: SyncWorld
let named = 0

before(async () => {
  world = await SyncWorld.open()
})
after(() => world[Symbol.asyncDispose]())

function people(): Promise<[SyncingPerson, SyncingPerson]> {
  const n = named++
  return Promise.all([world.person(`ann${n}`), world.person(`ben${n}`)])
}

function texts(room: Response): string[] {
  return room.timeline.events.flatMap((event: Response) => event.content.body ?? [])
}

function types(events: Response[]): string[] {
  return events.map((event) => `${event.type} ${event.state_key}`).sort()
}

describe('a token of another history', () => {
  it('begins every room afresh, also a short one that is told whole: what a client has of it may be lost', async () => {
    const [ann] = await people()
    const room = await world.room(ann)
    const good = (await ann.sync()).next_batch
    const token = parseSyncToken(good)
    assert.ok(token)
    const others = [
      { ...token, incarnation: token.incarnation + 1 },
      { ...token, positions: token.positions.map((pos) => pos + 1000) },
    ]
    for (const other of others) {
      const joined = (await ann.sync({ since: formatSyncToken(other) })).rooms.join[room]
      assert.equal(joined.timeline.limited, true)
      assert.ok(types([...joined.state.events, ...joined.timeline.events]).includes('m.room.create '))
    }
    assert.equal((await ann.sync()).rooms.join[room].timeline.limited, false)
    assert.equal((await ann.sync({ since: good })).rooms, undefined)
  })
})

describe('invites, knocks and leaves', () => {
  it('an invite comes with stripped state, is told once, and turns into a joined room', async () => {
    const [ann, ben] = await people()
    const before = await ben.sync()
    const room = await world.room(ann, { joinRule: 'invite', invites: [ben.userId] })
    const invited = await ben.sync({ since: before.next_batch })
    const stripped = invited.rooms.invite[room].invite_state.events
    assert.ok(types(stripped).includes('m.room.create '))
    assert.ok(types(stripped).includes(`m.room.member ${ben.userId}`))
    assert.ok(stripped.every((event: Response) => event.event_id === undefined))
    assert.equal((await ben.sync({ since: invited.next_batch })).rooms, undefined)
    await ben.member(room, 'join')
    const joined = await ben.sync({ since: invited.next_batch })
    assert.ok(joined.rooms.join[room])
    assert.equal(joined.rooms.invite, undefined)
    assert.ok(
      types([...joined.rooms.join[room].state.events, ...joined.rooms.join[room].timeline.events]).includes(
        'm.room.create ',
      ),
    )
  })

  it('a refused invite is told as left, with nothing of the room but the refusal', async () => {
    const [ann, ben] = await people()
    const room = await world.room(ann, { joinRule: 'invite', invites: [ben.userId] })
    const invited = await ben.sync()
    await ann.send(room, 'not for ben')
    await ben.member(room, 'leave')
    const left = await ben.sync({ since: invited.next_batch })
    assert.deepEqual(types(left.rooms.leave[room].timeline.events), [`m.room.member ${ben.userId}`])
    assert.deepEqual(left.rooms.leave[room].state.events, [])
  })

  it('a knock is told with stripped state', async () => {
    const [ann, ben] = await people()
    const room = await world.room(ann, { joinRule: 'knock' })
    const before = await ben.sync()
    await ben.member(room, 'knock')
    const knocked = await ben.sync({ since: before.next_batch })
    assert.ok(types(knocked.rooms.knock[room].knock_state.events).includes('m.room.create '))
  })

  it('a room that was left is told up to the leave, once, and not in a first sync unless asked for', async () => {
    const [ann, ben] = await people()
    const room = await world.room(ann)
    await ben.member(room, 'join')
    const before = await ben.sync()
    await ann.send(room, 'while there')
    await ann.member(room, 'kick', ben)
    await ann.send(room, 'after he left')
    const left = await ben.sync({ since: before.next_batch })
    assert.deepEqual(texts(left.rooms.leave[room]), ['while there'])
    assert.equal(left.rooms.leave[room].timeline.events.at(-1).state_key, ben.userId)
    assert.equal((await ben.sync({ since: left.next_batch })).rooms, undefined)
    assert.equal((await ben.sync()).rooms?.leave, undefined)
    const all = await ben.sync({ filter: JSON.stringify({ room: { include_leave: true } }) })
    assert.ok(all.rooms.leave[room])
    assert.ok(!texts(all.rooms.leave[room]).includes('after he left'))
  })

  it('a forgotten room vanishes', async () => {
    const [ann, ben] = await people()
    const room = await world.room(ann)
    await ben.member(room, 'join')
    await ben.member(room, 'leave')
    const filter = JSON.stringify({ room: { include_leave: true } })
    assert.ok((await ben.sync({ filter })).rooms.leave[room])
    await world.ask.ask('user', ben.userId, 'forget', { roomId: room })
    assert.equal((await ben.sync({ filter })).rooms?.leave?.[room], undefined)
  })

  it('left and joined again between two syncs is told as a new room with all of its state', async () => {
    const [ann, ben] = await people()
    const room = await world.room(ann)
    await ben.member(room, 'join')
    const before = await ben.sync()
    await ben.member(room, 'leave')
    await ann.state(room, 'm.room.topic', { topic: 'changed meanwhile' })
    await ben.member(room, 'join')
    const again = await ben.sync({
      since: before.next_batch,
      filter: JSON.stringify({ room: { timeline: { limit: 1 } } }),
    })
    assert.ok(types(again.rooms.join[room].state.events).includes('m.room.topic '))
    assert.ok(types(again.rooms.join[room].state.events).includes('m.room.create '))
  })
})

describe('timelines', () => {
  it('a limited one says where the gap begins, and the state across it', async () => {
    const [ann, ben] = await people()
    const room = await world.room(ann)
    await ben.member(room, 'join')
    const before = await ben.sync()
    await ann.state(room, 'm.room.topic', { topic: 'in the gap' })
    for (let i = 0; i < 12; i++) await ann.send(room, `m${i}`)
    const filter = JSON.stringify({ room: { timeline: { limit: 5 } } })
    const gap = (await ben.sync({ since: before.next_batch, filter })).rooms.join[room]
    assert.equal(gap.timeline.limited, true)
    assert.deepEqual(texts(gap), ['m7', 'm8', 'm9', 'm10', 'm11'])
    assert.deepEqual(types(gap.state.events), ['m.room.topic '])
    // What lies between the token and the gap's end is exactly what is missing.
    const since = parseSyncToken(before.next_batch)
    const end = parseRoomToken(gap.timeline.prev_batch)
    assert.ok(since && end)
    const rows = await world.database.reads.sql<{ type: string }[]>`
      select e.type from log l join event e using (event_nid) join room r on r.room_nid = l.room_nid
      where r.room_id = ${room} and l.pos > ${since.positions[end.shard] ?? 0} and (l.pos, 0) <= (${end.pos}::bigint, ${end.sub}::integer)`
    assert.equal(rows.length, 8)
  })

  it('state_after replaces state, and tells changes that the timeline tells too', async () => {
    const [ann] = await people()
    const room = await world.room(ann)
    const before = await ann.sync({ useStateAfter: true })
    assert.equal(before.rooms.join[room].state, undefined)
    await ann.state(room, 'm.room.topic', { topic: 'new' })
    for (const timeoutMs of [0, 1]) {
      const next = (await ann.sync({ since: before.next_batch, useStateAfter: true, timeoutMs })).rooms.join[
        room
      ]
      assert.deepEqual(types(next.state_after.events), ['m.room.topic '])
    }
  })

  it('the sender alone learns the transaction id, and a state event shows what it replaced', async () => {
    const [ann, ben] = await people()
    const room = await world.room(ann)
    await ben.member(room, 'join')
    const [a, b] = [await ann.sync(), await ben.sync()]
    await ann.send(room, 'hello')
    await ann.state(room, 'm.room.topic', { topic: 'one' })
    await ann.state(room, 'm.room.topic', { topic: 'two' })
    const [seenByAnn, seenByBen] = [
      await ann.sync({ since: a.next_batch }),
      await ben.sync({ since: b.next_batch }),
    ]
    const [mine, , last] = seenByAnn.rooms.join[room].timeline.events
    assert.equal(mine.unsigned.transaction_id, 't0')
    assert.equal(last.unsigned.prev_content.topic, 'one')
    assert.equal(seenByBen.rooms.join[room].timeline.events[0].unsigned.transaction_id, undefined)
  })

  it('a redacted event comes redacted, also when both arrive together', async () => {
    const [ann, ben] = await people()
    const room = await world.room(ann)
    await ben.member(room, 'join')
    const before = await ben.sync()
    const target = await ann.send(room, 'regretted')
    await ann.redact(room, target)
    for (const timeoutMs of [0, 1]) {
      const [event] = (await ben.sync({ since: before.next_batch, timeoutMs })).rooms.join[room].timeline
        .events
      assert.deepEqual(event.content, {})
      assert.equal(event.unsigned.redacted_because.type, 'm.room.redaction')
    }
  })

  it('a redacted state event comes redacted in a first sync, also when it had been sent whole before', async () => {
    const [ann] = await people()
    const room = await world.room(ann)
    const topic = await ann.state(room, 'm.room.topic', { topic: 'regretted' })
    for (let i = 0; i < 12; i++) await ann.send(room, `m${i}`)
    const topicIn = (response: Response): Response =>
      response.rooms.join[room].state.events.find((event: Response) => event.type === 'm.room.topic')
    assert.equal(topicIn(await ann.sync()).content.topic, 'regretted')
    await ann.redact(room, topic)
    const redacted = topicIn(await ann.sync())
    assert.deepEqual(redacted.content, {})
    assert.equal(redacted.unsigned.redacted_because.sender, ann.userId)
  })

  it('a client is not woken for what its filter leaves out', async () => {
    const [ann, ben] = await people()
    const room = await world.room(ann)
    await ben.member(room, 'join')
    const filter = JSON.stringify({
      room: { timeline: { not_types: ['m.room.message'] }, ephemeral: { types: [] } },
    })
    const before = await ben.sync({ filter })
    const waiting = ben.sync({ since: before.next_batch, filter, timeoutMs: 5000 })
    await ann.send(room, 'unwanted')
    await ann.read(room, await ann.send(room, 'unwanted too'))
    await ann.state(room, 'm.room.topic', { topic: 'wanted' })
    const told = (await waiting).rooms.join[room]
    assert.deepEqual(types(told.timeline.events), ['m.room.topic '])
  })

  it('only the wanted fields are sent', async () => {
    const [ann] = await people()
    const room = await world.room(ann)
    const filter = JSON.stringify({ event_fields: ['type', 'content.body'] })
    const before = await ann.sync({ filter })
    await ann.send(room, 'short')
    const [event] = (await ann.sync({ since: before.next_batch, filter })).rooms.join[room].timeline.events
    assert.deepEqual(event, { type: 'm.room.message', content: { body: 'short' } })
  })

  it('history that may not be seen is not told', async () => {
    const [ann, ben] = await people()
    const room = await world.room(ann, {
      state: [{ type: 'm.room.history_visibility', stateKey: '', content: { history_visibility: 'joined' } }],
    })
    await ann.send(room, 'before ben')
    await ben.member(room, 'join')
    await ann.send(room, 'with ben')
    assert.deepEqual(texts((await ben.sync()).rooms.join[room]), ['with ben'])
  })

  it('messages of ignored users are left out', async () => {
    const [ann, ben] = await people()
    const room = await world.room(ann)
    await ben.member(room, 'join')
    await world.ask.ask('user', ben.userId, 'putAccountData', {
      type: 'm.ignored_user_list',
      content: { ignored_users: { [ann.userId]: {} } },
    })
    const before = await ben.sync()
    await ann.send(room, 'unheard')
    await ben.send(room, 'mine')
    for (const timeoutMs of [0, 1]) {
      assert.deepEqual(texts((await ben.sync({ since: before.next_batch, timeoutMs })).rooms.join[room]), [
        'mine',
      ])
    }
  })
})

describe('lazily loaded members', () => {
  const filter = JSON.stringify({ room: { state: { lazy_load_members: true }, timeline: { limit: 2 } } })

  it('only those who speak are sent, each once, and again when the client may not have received them', async () => {
    const [ann, ben] = await people()
    const room = await world.room(ann)
    await ben.member(room, 'join')
    await ann.send(room, 'one')
    await ann.send(room, 'two')
    const first = await ben.sync({ filter })
    const members = (response: Response): string[] =>
      types(
        (response.rooms?.join?.[room]?.state.events ?? []).filter(
          (event: Response) => event.type === 'm.room.member',
        ),
      )
    assert.deepEqual(
      members(first).sort(),
      [`m.room.member ${ann.userId}`, `m.room.member ${ben.userId}`].sort(),
    )
    const cid = await world.person(`cid${named++}`)
    await cid.member(room, 'join')
    await ann.send(room, 'three')
    const joined = await ben.sync({ since: first.next_batch, filter })
    await cid.send(room, 'four')
    const spoke = await ben.sync({ since: joined.next_batch, filter })
    assert.deepEqual(members(spoke), [], 'the join was in a timeline already')
    const dan = await world.person(`dan${named++}`)
    await dan.member(room, 'join')
    for (let i = 0; i < 3; i++) await dan.send(room, `d${i}`)
    const gap = await ben.sync({ since: spoke.next_batch, filter })
    assert.deepEqual(members(gap), [`m.room.member ${dan.userId}`])
    const retried = await ben.sync({ since: spoke.next_batch, filter })
    assert.deepEqual(members(retried), [`m.room.member ${dan.userId}`])
  })
})

describe('unread counts', () => {
  it('count messages of others, by thread where wanted, until they are read', async () => {
    const [ann, ben] = await people()
    const room = await world.room(ann)
    await ben.member(room, 'join')
    const before = await ben.sync()
    const root = await ann.send(room, 'root')
    const inThread = {
      'm.relates_to': { rel_type: 'm.thread', event_id: root },
      body: 'in thread',
      msgtype: 'm.text',
    }
    const threaded = await ann.send(room, inThread)
    await ann.send(room, { body: 'you', msgtype: 'm.text', 'm.mentions': { user_ids: [ben.userId] } })
    await ben.send(room, 'own messages do not count')
    const all = (await ben.sync({ since: before.next_batch })).rooms.join[room]
    assert.deepEqual(all.unread_notifications, { highlight_count: 1, notification_count: 3 })
    const filter = JSON.stringify({ room: { timeline: { unread_thread_notifications: true } } })
    const byThread = (await ben.sync({ since: before.next_batch, filter })).rooms.join[room]
    assert.deepEqual(byThread.unread_notifications, { highlight_count: 1, notification_count: 2 })
    assert.deepEqual(byThread.unread_thread_notifications, {
      [root]: { highlight_count: 0, notification_count: 1 },
    })
    const now = await ben.sync()
    await ben.read(room, threaded, root)
    const read = await ben.sync({ since: now.next_batch })
    assert.deepEqual(read.rooms.join[room].unread_notifications, {
      highlight_count: 1,
      notification_count: 2,
    })
    await ben.read(room, await ann.send(room, 'last'), '', 'm.read.private')
    const done = await ben.sync({ since: read.next_batch })
    assert.deepEqual(done.rooms.join[room].unread_notifications, {
      highlight_count: 0,
      notification_count: 0,
    })
  })

  it('private receipts are told to their own user alone, public ones to everybody', async () => {
    const [ann, ben] = await people()
    const room = await world.room(ann)
    await ben.member(room, 'join')
    const [one, two] = [await ann.send(room, 'one'), await ann.send(room, 'two')]
    const [a, b] = [await ann.sync(), await ben.sync()]
    await ben.read(room, one)
    await ben.read(room, two, '', 'm.read.private')
    for (const timeoutMs of [0, 1]) {
      const seenByAnn = (await ann.sync({ since: a.next_batch, timeoutMs })).rooms.join[room].ephemeral
        .events[0].content
      const seenByBen = (await ben.sync({ since: b.next_batch, timeoutMs })).rooms.join[room].ephemeral
        .events[0].content
      assert.ok(seenByAnn[one]['m.read'][ben.userId])
      assert.equal(seenByAnn[two], undefined)
      assert.ok(seenByBen[two]['m.read.private'][ben.userId])
    }
  })
})

describe('to-device messages', () => {
  async function deliver(to: SyncingPerson, n: number): Promise<void> {
    await world.ask.ask('user', to.userId, 'deliver', {
      sender: to.userId,
      type: 'm.test',
      txnKey: Buffer.from(`${to.userId} ${n}`.padEnd(16, '.')).subarray(-16).toString('base64url'),
      messages: { DEV: { n } },
    })
  }

  it(
    'come again until the device shows the token that they came with, in pages',
    { timeout: 60_000 },
    async () => {
      const [ann] = await people()
      const start = await ann.sync()
      for (let n = 0; n < 103; n++) await deliver(ann, n)
      const numbers = (response: Response): number[] =>
        (response.to_device?.events ?? []).map((event: Response) => event.content.n)
      const first = await ann.sync({ since: start.next_batch })
      assert.equal(numbers(first).length, 100)
      assert.deepEqual(numbers(await ann.sync({ since: start.next_batch })), numbers(first))
      // A token made up of later positions deletes nothing that was not given.
      const second = await ann.sync({ since: first.next_batch })
      assert.deepEqual(numbers(second), [100, 101, 102])
      assert.deepEqual(numbers(await ann.sync({ since: first.next_batch })), [100, 101, 102])
      assert.deepEqual(numbers(await ann.sync({ since: second.next_batch })), [])
    },
  )

  it('a token of another incarnation deletes none', async () => {
    const [ann] = await people()
    const start = await ann.sync()
    await deliver(ann, 1)
    const got = await ann.sync({ since: start.next_batch })
    const token = parseSyncToken(got.next_batch)
    assert.ok(token)
    const foreign = formatSyncToken({ ...token, incarnation: token.incarnation + 1 })
    assert.equal((await ann.sync({ since: foreign })).to_device.events.length, 1)
    assert.equal((await ann.sync({ since: start.next_batch })).to_device.events.length, 1)
  })
})

describe('tokens', () => {
  it('one that is none is refused', async () => {
    const [ann] = await people()
    await assert.rejects(
      ann.sync({ since: 'nonsense' }),
      (error) => error instanceof MatrixError && error.errcode === 'M_INVALID_PARAM',
    )
  })

  it('one from the future or of an unknown version gives everything anew, with the rooms left and whose devices may have changed', async () => {
    const [ann, ben] = await people()
    const [room, gone] = [await world.room(ann), await world.room(ann)]
    await ben.member(room, 'join')
    await ben.member(gone, 'join')
    await ben.member(gone, 'leave')
    const now = parseSyncToken((await ben.sync()).next_batch)
    assert.ok(now)
    const future = formatSyncToken({ ...now, positions: now.positions.map((pos) => pos + 1000) })
    const unknown = `s${Buffer.from([9, 9]).toString('base64url')}`
    for (const since of [future, unknown]) {
      const fresh = await ben.sync({ since, timeoutMs: 5000 })
      assert.ok(
        types([...fresh.rooms.join[room].state.events, ...fresh.rooms.join[room].timeline.events]).includes(
          'm.room.create ',
        ),
      )
      assert.ok(fresh.rooms.leave[gone])
      assert.ok(fresh.device_lists.changed.includes(ann.userId))
      const next = parseSyncToken(fresh.next_batch)
      assert.ok(next?.positions.every((pos, shard) => pos >= (now.positions[shard] ?? 0)))
    }
  })

  it('a retry gives the same', async () => {
    const [ann, ben] = await people()
    const room = await world.room(ann)
    await ben.member(room, 'join')
    const before = await ben.sync()
    await ann.send(room, 'once')
    await ann.state(room, 'm.room.topic', { topic: 'once' })
    const [one, two] = [
      await ben.sync({ since: before.next_batch }),
      await ben.sync({ since: before.next_batch }),
    ]
    const plain = (response: Response): unknown =>
      JSON.parse(JSON.stringify(response, (key, value) => (key === 'age' ? undefined : value)))
    assert.deepEqual(plain(two), plain(one))
  })
})

describe('device lists', () => {
  it('name those who came to share a room, those who changed, and those who share none any more', async () => {
    const [ann, ben] = await people()
    const room = await world.room(ann)
    const start = await ann.sync()
    await ben.member(room, 'join')
    const joined = await ann.sync({ since: start.next_batch })
    assert.deepEqual(joined.device_lists, { changed: [ben.userId], left: [] })
    await world.ask.ask('room', room, 'deviceList', { userId: ben.userId, source: { shard: 1, pos: 1 } })
    const changed = await ann.sync({ since: joined.next_batch, timeoutMs: 1 })
    assert.deepEqual(changed.device_lists, { changed: [ben.userId], left: [] })
    await ben.member(room, 'leave')
    const left = await ann.sync({ since: changed.next_batch })
    assert.deepEqual(left.device_lists, { changed: [], left: [ben.userId] })
    const [from, to] = [parseSyncToken(start.next_batch), parseSyncToken(changed.next_batch)]
    assert.ok(from && to)
    const between = await deviceListsBetween(world.database.reads, ann.userId, {
      from: from.positions,
      to: to.positions,
    })
    assert.deepEqual(between, { changed: [ben.userId], left: [] })
  })
})

describe('account data and typing', () => {
  it('account data is told when it changes, global and of rooms', async () => {
    const [ann] = await people()
    const room = await world.room(ann)
    const before = await ann.sync()
    await world.ask.ask('user', ann.userId, 'putAccountData', { type: 'org.example', content: { a: 1 } })
    await world.ask.ask('user', ann.userId, 'putAccountData', {
      roomId: room,
      type: 'org.example.room',
      content: { b: 2 },
    })
    const next = await ann.sync({ since: before.next_batch })
    assert.deepEqual(next.account_data.events, [{ type: 'org.example', content: { a: 1 } }])
    assert.deepEqual(next.rooms.join[room].account_data.events, [
      { type: 'org.example.room', content: { b: 2 } },
    ])
    assert.equal((await ann.sync({ since: next.next_batch })).account_data, undefined)
  })

  it('typing wakes a waiting client, and its end is told as well', async () => {
    const [ann, ben] = await people()
    const room = await world.room(ann)
    await ben.member(room, 'join')
    const before = await ann.sync()
    const waiting = ann.sync({ since: before.next_batch, timeoutMs: 5000 })
    await world.ask.ask('room', room, 'typing', { userId: ben.userId, typing: true, timeoutMs: 30_000 })
    const typing = await waiting
    assert.deepEqual(typing.rooms.join[room].ephemeral.events, [
      { type: 'm.typing', content: { user_ids: [ben.userId] } },
    ])
    await world.ask.ask('room', room, 'typing', { userId: ben.userId, typing: false, timeoutMs: 0 })
    const over = await ann.sync({ since: typing.next_batch, timeoutMs: 5000 })
    assert.deepEqual(over.rooms.join[room].ephemeral.events, [
      { type: 'm.typing', content: { user_ids: [] } },
    ])
    assert.equal((await ann.sync({ since: over.next_batch })).rooms, undefined)
  })

  it('who comes back into a room is told that nobody types there any more', async () => {
    const [ann, ben] = await people()
    const room = await world.room(ann)
    await ben.member(room, 'join')
    const type = (typing: boolean): Promise<unknown> =>
      world.ask.ask('room', room, 'typing', { userId: ann.userId, typing, timeoutMs: 30_000 })
    await type(true)
    const before = await ben.sync()
    assert.deepEqual(before.rooms.join[room].ephemeral.events[0].content, { user_ids: [ann.userId] })
    await ben.member(room, 'leave')
    await type(false)
    await ben.member(room, 'join')
    const back = await ben.sync({ since: before.next_batch })
    assert.deepEqual(back.rooms.join[room].ephemeral.events[0].content, { user_ids: [] })
  })
})
