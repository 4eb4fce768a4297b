import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startRoomServer, type Person, type RoomServer } from '../support/room-server.ts'

let server: RoomServer
let alice: Person
let bob: Person
let carol: Person

before(async () => {
  server = await startRoomServer(['alice', 'bob', 'carol'])
  ;[alice, bob, carol] = ['alice', 'bob', 'carol'].map((name) => server.person(name)) as [
    Person,
    Person,
    Person,
  ]
})
after(() => server[Symbol.asyncDispose]())

function path(room: string, rest: string, version = 'v3'): string {
  return `${version}/rooms/${encodeURIComponent(room)}/${rest}`
}

function refusal(reply: { status: number; body: { errcode: string } }): [number, string] {
  return [reply.status, reply.body.errcode]
}

describe('createRoom', () => {
  for (const version of ['10', '11', '12']) {
    test(`version ${version}: the preset, the initial state, name and topic are the first state`, async () => {
      const room = await alice.createRoom({
        room_version: version,
        preset: 'private_chat',
        name: 'Hall',
        topic: 'All',
        initial_state: [{ type: 'm.room.history_visibility', content: { history_visibility: 'joined' } }],
        invite: [bob.userId],
        is_direct: true,
      })
      const state: { type: string; state_key: string; content: Record<string, unknown> }[] = await alice.get(
        path(room, 'state'),
      )
      const content = (type: string, key = '') =>
        state.find((event) => event.type === type && event.state_key === key)?.content
      assert.equal(content('m.room.create')?.['room_version'], version)
      assert.equal(content('m.room.join_rules')?.['join_rule'], 'invite')
      assert.equal(content('m.room.history_visibility')?.['history_visibility'], 'joined')
      assert.equal(content('m.room.name')?.['name'], 'Hall')
      assert.deepEqual(content('m.room.topic')?.['m.topic'], {
        'm.text': [{ body: 'All', mimetype: 'text/plain' }],
      })
      assert.deepEqual(content('m.room.member', bob.userId), { is_direct: true, membership: 'invite' })
      const users = content('m.room.power_levels')?.['users']
      assert.deepEqual(users, version === '12' ? {} : { [alice.userId]: 100 })
      assert.equal(room.includes(':'), version !== '12')
    })
  }

  test('two rooms made alike are two rooms', async () => {
    const made = await Promise.all([alice.createRoom(), alice.createRoom(), alice.createRoom()])
    assert.equal(new Set(made).size, 3)
  })

  test('what cannot be done is refused', async () => {
    const create = (body: object) => alice.ask('POST', 'v3/createRoom', body)
    assert.deepEqual(refusal(await create({ room_version: '99' })), [400, 'M_UNSUPPORTED_ROOM_VERSION'])
    assert.deepEqual(refusal(await create({ room_alias_name: 'hall' })), [400, 'M_UNKNOWN'])
    assert.deepEqual(refusal(await create({ invite: ['@eve:other.example'] })), [403, 'M_FORBIDDEN'])
    assert.deepEqual(refusal(await create({ invite: ['eve'] })), [400, 'M_INVALID_PARAM'])
    const own = { power_level_content_override: { users: { [alice.userId]: 100 } } }
    assert.deepEqual(refusal(await create({ room_version: '12', ...own })), [400, 'M_BAD_JSON'])
  })
})

describe('membership', () => {
  test('join, leave and the rooms that one is in', async () => {
    const room = await alice.createRoom()
    await bob.join(room)
    assert.ok((await bob.get('v3/joined_rooms')).joined_rooms.includes(room))
    await bob.must('POST', path(room, 'leave'))
    assert.ok(!(await bob.get('v3/joined_rooms')).joined_rooms.includes(room))
    const joined = (await alice.get(path(room, 'joined_members'))).joined
    assert.deepEqual(Object.keys(joined), [alice.userId])
  })

  test('a room that is not there cannot be joined, and an alias is not found', async () => {
    const join = (name: string) => bob.ask('POST', `v3/join/${encodeURIComponent(name)}`, {})
    assert.deepEqual(refusal(await join('!none:localhost')), [404, 'M_NOT_FOUND'])
    assert.deepEqual(refusal(await join('#none:localhost')), [404, 'M_NOT_FOUND'])
    assert.deepEqual(refusal(await join('none')), [400, 'M_INVALID_PARAM'])
  })

  test('what else a join says goes into the member event, and cannot change the membership', async () => {
    const room = await alice.createRoom()
    const body = { foo: 'bar', membership: 'ban', displayname: 7, reason: 'why not' }
    await bob.must('POST', `v3/join/${encodeURIComponent(room)}`, body)
    const content = await alice.get(path(room, `state/m.room.member/${bob.userId}`))
    assert.deepEqual(content, { foo: 'bar', membership: 'join', reason: 'why not' })
  })

  test('a membership set as state is a membership like any other', async () => {
    const room = await alice.createRoom({ preset: 'private_chat' })
    const set = (who: Person, target: Person, membership: string) =>
      who.ask('PUT', path(room, `state/m.room.member/${target.userId}`), { membership })
    assert.deepEqual(refusal(await set(bob, bob, 'join')), [403, 'M_FORBIDDEN'])
    assert.equal((await set(alice, bob, 'invite')).status, 200)
    assert.equal((await set(bob, bob, 'join')).status, 200)
    assert.ok((await bob.get('v3/joined_rooms')).joined_rooms.includes(room))
    assert.deepEqual(refusal(await set(alice, bob, 'join')), [403, 'M_FORBIDDEN'])
    assert.deepEqual(refusal(await set(alice, bob, 'there')), [400, 'M_BAD_JSON'])
    const remote = await alice.ask('PUT', path(room, 'state/m.room.member/@eve:other.example'), {
      membership: 'invite',
    })
    assert.deepEqual(refusal(remote), [403, 'M_FORBIDDEN'])
  })

  test('forgetting needs to have left, and is done by the actor of the user', async () => {
    const room = await alice.createRoom()
    await bob.join(room)
    assert.equal((await bob.ask('POST', path(room, 'forget'))).status, 400)
    await bob.must('POST', path(room, 'leave'))
    await bob.must('POST', path(room, 'forget'))
    assert.deepEqual(server.userRequests.at(-1), {
      userId: bob.userId,
      kind: 'forget',
      body: { roomId: room },
    })
  })

  test('kick, ban and unban through their endpoints', async () => {
    const room = await alice.createRoom()
    await bob.join(room)
    const body = { user_id: bob.userId, reason: 'noise' }
    assert.deepEqual(refusal(await bob.ask('POST', path(room, 'kick'), { user_id: alice.userId })), [
      403,
      'M_FORBIDDEN',
    ])
    await alice.must('POST', path(room, 'kick'), body)
    await alice.must('POST', path(room, 'ban'), body)
    assert.deepEqual(refusal(await bob.ask('POST', path(room, 'join'), {})), [403, 'M_FORBIDDEN'])
    await alice.must('POST', path(room, 'unban'), body)
    await bob.join(room)
    assert.deepEqual(refusal(await alice.ask('POST', path(room, 'ban'), {})), [400, 'M_MISSING_PARAM'])
  })
})

describe('sending and state', () => {
  test('an event is read back with its transaction id by the device that sent it alone', async () => {
    const room = await alice.createRoom()
    await bob.join(room)
    const id = await alice.send(room, 'hello')
    const own = await alice.get(path(room, `event/${id}`))
    const other = await bob.get(path(room, `event/${id}`))
    assert.deepEqual(own.content, { msgtype: 'm.text', body: 'hello' })
    assert.equal(own.room_id, room)
    assert.equal(typeof own.unsigned.transaction_id, 'string')
    assert.equal(own.unsigned.membership, 'join')
    assert.equal('transaction_id' in other.unsigned, false)
  })

  test('floats and events for rooms that one is not in are refused', async () => {
    const room = await alice.createRoom()
    const send = (who: Person, where: string, body: unknown) =>
      who.ask('PUT', path(where, 'send/m.room.message/t'), body)
    assert.deepEqual(refusal(await send(alice, room, { n: 1.5 })), [400, 'M_BAD_JSON'])
    assert.deepEqual(refusal(await send(alice, room, [])), [400, 'M_BAD_JSON'])
    assert.deepEqual(refusal(await send(bob, room, {})), [403, 'M_FORBIDDEN'])
    assert.deepEqual(refusal(await send(bob, '!none:localhost', {})), [403, 'M_FORBIDDEN'])
    assert.deepEqual(refusal(await send(alice, room, { body: 'x'.repeat(70_000) })), [413, 'M_TOO_LARGE'])
  })

  test('a state entry is set and read with and without its key, and as an event with what it replaced', async () => {
    const room = await alice.createRoom()
    await alice.must('PUT', path(room, 'state/m.room.name'), { name: 'One' })
    await alice.must('PUT', path(room, 'state/m.room.name/'), { name: 'Two' })
    assert.deepEqual(await alice.get(path(room, 'state/m.room.name')), { name: 'Two' })
    assert.deepEqual(await alice.get(path(room, 'state/m.room.name/')), { name: 'Two' })
    const event = await alice.get(path(room, 'state/m.room.name?format=event'))
    const shown = await alice.get(path(room, `event/${event.event_id}`))
    assert.deepEqual(shown.unsigned.prev_content, { name: 'One' })
    assert.match(shown.unsigned.replaces_state, /^\$/)
    const missing = await alice.ask('GET', path(room, 'state/m.room.name/other'))
    assert.deepEqual(refusal(missing), [404, 'M_NOT_FOUND'])
  })

  test('a redacted event is shown empty, with the redaction', async () => {
    const room = await alice.createRoom()
    const id = await alice.send(room, 'secret')
    const { event_id: redaction } = await alice.must('PUT', path(room, `redact/${id}/r1`), { reason: 'oops' })
    const shown = await alice.get(path(room, `event/${id}`))
    assert.deepEqual(shown.content, {})
    assert.equal(shown.unsigned.redacted_because.event_id, redaction)
    assert.equal(shown.unsigned.redacted_because.redacts, id)
    assert.equal(shown.unsigned.redacted_because.content.redacts, id)
  })
})

describe('history', () => {
  test('paging backwards and forwards gives each event once and no end token at the end', async () => {
    const room = await alice.createRoom()
    const sent: string[] = []
    for (let n = 0; n < 25; n++) sent.push(await alice.send(room, `m${n}`))
    const walk = async (dir: string): Promise<string[]> => {
      const seen: string[] = []
      let from = ''
      for (let pages = 0; pages < 20; pages++) {
        const token = from === '' ? '' : `&from=${from}`
        const page = await alice.get(path(room, `messages?dir=${dir}&limit=7${token}`))
        seen.push(...page.chunk.map((event: { event_id: string }) => event.event_id))
        if (page.end === undefined) return seen
        from = page.end
      }
      assert.fail('no end')
    }
    const backwards = await walk('b')
    assert.deepEqual(backwards.slice(0, 25), sent.toReversed())
    assert.deepEqual((await walk('f')).reverse(), backwards)
    assert.equal(new Set(backwards).size, backwards.length)
  })

  test('a filter chooses, and lazy loading adds the senders alone', async () => {
    const room = await alice.createRoom()
    await bob.join(room)
    await bob.send(room, 'from bob')
    const filter = encodeURIComponent(JSON.stringify({ types: ['m.room.message'], lazy_load_members: true }))
    const page = await alice.get(path(room, `messages?dir=b&filter=${filter}`))
    assert.deepEqual(
      page.chunk.map((event: { type: string }) => event.type),
      ['m.room.message'],
    )
    assert.deepEqual(
      page.state.map((event: { state_key: string }) => event.state_key),
      [bob.userId],
    )
  })

  test('with visibility joined one sees what came after the join, and after leaving nothing new', async () => {
    const state = [{ type: 'm.room.history_visibility', content: { history_visibility: 'joined' } }]
    const room = await alice.createRoom({ preset: 'public_chat', initial_state: state })
    const early = await alice.send(room, 'before')
    await bob.join(room)
    const middle = await alice.send(room, 'between')
    await bob.must('POST', path(room, 'leave'))
    const late = await alice.send(room, 'after')
    const statuses: number[] = []
    for (const id of [early, middle, late])
      statuses.push((await bob.ask('GET', path(room, `event/${id}`))).status)
    assert.deepEqual(statuses, [404, 200, 404])
    const page = await bob.get(path(room, 'messages?dir=b&limit=100'))
    const ids = page.chunk.map((event: { event_id: string }) => event.event_id)
    assert.ok(ids.includes(middle) && !ids.includes(early) && !ids.includes(late))
    await alice.must('PUT', path(room, 'state/m.room.name'), { name: 'Later' })
    assert.equal((await bob.ask('GET', path(room, 'state/m.room.name'))).status, 404)
    assert.deepEqual(refusal(await carol.ask('GET', path(room, 'state'))), [403, 'M_FORBIDDEN'])
    assert.deepEqual(refusal(await carol.ask('GET', path(room, 'messages?dir=b'))), [403, 'M_FORBIDDEN'])
    assert.deepEqual(refusal(await carol.ask('GET', path('!none:localhost', 'state'))), [403, 'M_FORBIDDEN'])
  })

  test('the context of an event has its neighbours, and its tokens go on from there', async () => {
    const room = await alice.createRoom()
    const ids: string[] = []
    for (let n = 0; n < 9; n++) ids.push(await alice.send(room, `m${n}`))
    const around = await alice.get(path(room, `context/${ids[4]}?limit=4`))
    const idsOf = (events: { event_id: string }[]) => events.map((event) => event.event_id)
    assert.equal(around.event.event_id, ids[4])
    assert.deepEqual(idsOf(around.events_before), [ids[3], ids[2]])
    assert.deepEqual(idsOf(around.events_after), [ids[5], ids[6]])
    const older = await alice.get(path(room, `messages?dir=b&limit=2&from=${around.start}`))
    const newer = await alice.get(path(room, `messages?dir=f&limit=2&from=${around.end}`))
    assert.deepEqual(idsOf(older.chunk), [ids[1], ids[0]])
    assert.deepEqual(idsOf(newer.chunk), [ids[7], ids[8]])
  })

  test('members are listed by membership, and as they were at a token', async () => {
    const room = await alice.createRoom()
    const { start } = await alice.get(path(room, 'messages?dir=b&limit=1'))
    await bob.join(room)
    await alice.must('POST', path(room, 'invite'), { user_id: carol.userId })
    const keys = async (query: string) =>
      (await alice.get(path(room, `members${query}`))).chunk
        .map((event: { state_key: string }) => event.state_key)
        .toSorted((a: string, b: string) => (a < b ? -1 : 1))
    assert.deepEqual(await keys(''), [alice.userId, bob.userId, carol.userId])
    assert.deepEqual(await keys('?membership=join'), [alice.userId, bob.userId])
    assert.deepEqual(await keys('?not_membership=join'), [carol.userId])
    assert.deepEqual(await keys(`?at=${start}`), [alice.userId])
  })

  test('the event nearest to a moment is found on either side', async () => {
    const room = await alice.createRoom()
    const first = await alice.send(room, 'one')
    const { origin_server_ts: ts } = await alice.get(path(room, `event/${first}`))
    const near = (query: string) => alice.ask('GET', path(room, `timestamp_to_event?${query}`, 'v1'))
    assert.equal((await near(`ts=${ts + 3_600_000}&dir=b`)).body.event_id, first)
    assert.deepEqual(refusal(await near(`ts=${ts + 3_600_000}&dir=f`)), [404, 'M_NOT_FOUND'])
    assert.deepEqual(refusal(await near('dir=f')), [400, 'M_MISSING_PARAM'])
  })
})

describe('relations', () => {
  function relating(relType: string, eventId: string, extra: object = {}): object {
    return {
      msgtype: 'm.text',
      body: '* x',
      'm.relates_to': { rel_type: relType, event_id: eventId },
      ...extra,
    }
  }

  test('edit, thread and reference are bundled with the event, and listed', async () => {
    const room = await alice.createRoom()
    await bob.join(room)
    const root = await alice.send(room, 'root')
    const edit = await alice.send(
      room,
      relating('m.replace', root, { 'm.new_content': { body: 'x', msgtype: 'm.text' } }),
    )
    await bob.send(room, relating('m.replace', root, { 'm.new_content': { body: 'y', msgtype: 'm.text' } }))
    const reference = await bob.send(room, relating('m.reference', root))
    await alice.send(room, relating('m.thread', root))
    const latest = await alice.send(room, relating('m.thread', root))
    const bundle = (await bob.get(path(room, `event/${root}`))).unsigned['m.relations']
    assert.equal(bundle['m.replace'].event_id, edit)
    assert.deepEqual(bundle['m.reference'], { chunk: [{ event_id: reference }] })
    assert.equal(bundle['m.thread'].latest_event.event_id, latest)
    assert.equal(bundle['m.thread'].count, 2)
    assert.equal(bundle['m.thread'].current_user_participated, false)
    const list = await bob.get(path(room, `relations/${root}/m.thread?limit=1`, 'v1'))
    assert.equal(list.chunk[0].event_id, latest)
    const rest = await bob.get(path(room, `relations/${root}/m.thread?limit=1&from=${list.next_batch}`, 'v1'))
    assert.equal(rest.chunk.length, 1)
    assert.equal(rest.next_batch, undefined)
    const all = await bob.get(path(room, `relations/${root}?recurse=true`, 'v1'))
    assert.equal(all.chunk.length, 5)
  })

  test('threads are listed by their latest reply, all or those that one takes part in', async () => {
    const room = await alice.createRoom()
    await bob.join(room)
    const one = await alice.send(room, 'one')
    const two = await alice.send(room, 'two')
    await bob.send(room, relating('m.thread', two))
    await alice.send(room, relating('m.thread', one))
    const list = async (who: Person, query: string) =>
      (await who.get(path(room, `threads${query}`, 'v1'))).chunk.map(
        (event: { event_id: string }) => event.event_id,
      )
    assert.deepEqual(await list(bob, ''), [one, two])
    assert.deepEqual(await list(bob, '?include=participated'), [two])
    assert.deepEqual(await list(bob, '?limit=1'), [one])
  })

  test('a redacted reply leaves its thread', async () => {
    const room = await alice.createRoom()
    const root = await alice.send(room, 'root')
    const reply = await alice.send(room, relating('m.thread', root))
    await alice.must('PUT', path(room, `redact/${reply}/r1`), {})
    const shown = await alice.get(path(room, `event/${root}`))
    assert.equal(shown.unsigned['m.relations'], undefined)
  })
})

describe('receipts, markers, typing', () => {
  test('receipts are set for events of the thread they name', async () => {
    const room = await alice.createRoom()
    const root = await alice.send(room, 'root')
    const relates = { rel_type: 'm.thread', event_id: root }
    const reply = await alice.send(room, { msgtype: 'm.text', body: 'x', 'm.relates_to': relates })
    const read = (eventId: string, body: object) =>
      alice.ask('POST', path(room, `receipt/m.read/${eventId}`), body).then(({ status }) => status)
    assert.equal(await read(reply, {}), 200)
    assert.equal(await read(reply, { thread_id: root }), 200)
    assert.equal(await read(root, { thread_id: 'main' }), 200)
    assert.equal(await read(reply, { thread_id: 'main' }), 400)
    assert.equal(await read(reply, { thread_id: '' }), 400)
    assert.equal(await read('$none', {}), 404)
    const wrong = await alice.ask('POST', path(room, `receipt/m.unknown/${root}`), {})
    assert.deepEqual(refusal(wrong), [400, 'M_INVALID_PARAM'])
  })

  test('the fully-read marker becomes account data', async () => {
    const room = await alice.createRoom()
    const id = await alice.send(room, 'x')
    await alice.must('POST', path(room, 'read_markers'), { 'm.fully_read': id, 'm.read': id })
    const request = { roomId: room, type: 'm.fully_read', content: { event_id: id } }
    assert.deepEqual(server.userRequests.at(-1), {
      userId: alice.userId,
      kind: 'putAccountData',
      body: request,
    })
  })

  test('one tells of oneself alone that one is typing', async () => {
    const room = await alice.createRoom()
    const typing = (user: string) =>
      alice.ask('PUT', path(room, `typing/${user}`), { typing: true, timeout: 1000 })
    assert.equal((await typing(alice.userId)).status, 200)
    assert.deepEqual(refusal(await typing(bob.userId)), [403, 'M_FORBIDDEN'])
  })
})

describe('upgrade', () => {
  test('the new room has what goes over and names the old one, which points to it and falls silent', async () => {
    const old = await alice.createRoom({ preset: 'public_chat', room_version: '11', name: 'Hall' })
    await bob.join(old)
    const { replacement_room: next } = await alice.must('POST', path(old, 'upgrade'), { new_version: '12' })
    assert.deepEqual(await alice.get(path(next, 'state/m.room.name')), { name: 'Hall' })
    assert.equal((await alice.get(path(next, 'state/m.room.create'))).predecessor.room_id, old)
    assert.equal((await alice.get(path(old, 'state/m.room.tombstone'))).replacement_room, next)
    const send = await bob.ask('PUT', path(old, 'send/m.room.message/late'), { body: 'x', msgtype: 'm.text' })
    assert.deepEqual(refusal(send), [403, 'M_FORBIDDEN'])
    assert.deepEqual(refusal(await bob.ask('POST', path(old, 'upgrade'), { new_version: '12' })), [
      403,
      'M_FORBIDDEN',
    ])
  })
})
