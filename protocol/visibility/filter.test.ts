import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MatrixError } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import type { JsonValue } from '../json/types.ts'
import { compileEventFilter, compileFieldProjection, compileRoomChoice, wantsAll } from './filter-match.ts'
import type { FilteredEvent } from './filter-match.ts'
import { defaultFilter, parseFilter, parseRoomEventFilter } from './filter.ts'

const event: FilteredEvent = {
  type: 'm.room.message',
  sender: '@bob:example.org',
  room_id: '!room:example.org',
  content: { body: 'x' },
}

function refuses(errcode: ErrorCode, json: JsonValue): void {
  const name = JSON.stringify(json).slice(0, 80)
  assert.throws(
    () => parseFilter(json),
    (error) => error instanceof MatrixError && error.errcode === errcode,
    name,
  )
}

function passes(filter: JsonValue, change: Partial<FilteredEvent> = {}): boolean {
  return compileEventFilter(parseRoomEventFilter(filter))({ ...event, ...change })
}

describe('parseFilter', () => {
  it('fills in the defaults and ignores what it does not know', () => {
    assert.deepEqual(
      parseFilter({ 'org.example.extra': [1], room: { timeline: { related_by: 1 } } }),
      defaultFilter,
    )
    assert.equal(defaultFilter.eventFormat, 'client')
    assert.equal(defaultFilter.room.includeLeave, false)
    assert.equal(defaultFilter.room.timeline.lazyLoadMembers, false)
    assert.equal(defaultFilter.room.timeline.limit, undefined)
    assert.equal(defaultFilter.eventFields, undefined)
  })

  it('reads all fields', () => {
    const filter = parseFilter({
      event_fields: ['type', 'content.m\\.relates_to'],
      event_format: 'federation',
      presence: { not_senders: ['@a:b'] },
      account_data: { types: ['m.push_rules'] },
      room: {
        rooms: ['!a:b'],
        include_leave: true,
        state: { lazy_load_members: true, include_redundant_members: true },
        timeline: { limit: 0, contains_url: false, unread_thread_notifications: true },
        ephemeral: { not_types: ['*'] },
        account_data: { not_rooms: ['!c:d'] },
      },
    })
    assert.deepEqual(
      filter.eventFields?.map((path) => path.keys),
      [['type'], ['content', 'm.relates_to']],
    )
    assert.equal(filter.eventFormat, 'federation')
    assert.deepEqual(filter.presence.notSenders, ['@a:b'])
    assert.deepEqual(filter.accountData.types, ['m.push_rules'])
    assert.deepEqual(filter.room.rooms, ['!a:b'])
    assert.equal(filter.room.includeLeave, true)
    assert.equal(filter.room.state.lazyLoadMembers && filter.room.state.includeRedundantMembers, true)
    assert.equal(filter.room.timeline.limit, 0)
    assert.equal(filter.room.timeline.containsUrl, false)
    assert.equal(filter.room.timeline.unreadThreadNotifications, true)
    assert.deepEqual(filter.room.ephemeral.notTypes, ['*'])
    assert.deepEqual(filter.room.accountData.notRooms, ['!c:d'])
  })

  it('refuses values of the wrong type', () => {
    refuses('M_BAD_JSON', [])
    for (const part of ['presence', 'account_data', 'room']) refuses('M_BAD_JSON', { [part]: 'x' })
    for (const part of ['timeline', 'state', 'ephemeral', 'account_data'])
      refuses('M_BAD_JSON', { room: { [part]: [] } })
    for (const list of ['rooms', 'not_rooms', 'senders', 'not_senders', 'types', 'not_types']) {
      refuses('M_BAD_JSON', { room: { timeline: { [list]: 'x' } } })
      refuses('M_BAD_JSON', { room: { timeline: { [list]: [1] } } })
    }
    refuses('M_BAD_JSON', { room: { timeline: { limit: '10' } } })
    refuses('M_BAD_JSON', { room: { state: { lazy_load_members: 'true' } } })
    refuses('M_BAD_JSON', { event_fields: {} })
  })

  it('refuses values that are not acceptable', () => {
    refuses('M_INVALID_PARAM', { event_format: 'xml' })
    refuses('M_INVALID_PARAM', { room: { timeline: { rooms: ['not_a_room_id'] } } })
    refuses('M_INVALID_PARAM', { room: { timeline: { senders: ['not_a_sender_id'] } } })
    refuses('M_INVALID_PARAM', { room: { timeline: { limit: -1 } } })
    refuses('M_INVALID_PARAM', { event_fields: ['a.'.repeat(40)] })
    refuses('M_TOO_LARGE', { room: { timeline: { types: ['x'.repeat(65_536)] } } })
  })
})

describe('compileEventFilter', () => {
  it('wants all when nothing is restricted', () => {
    assert.equal(compileEventFilter(parseRoomEventFilter({ limit: 5, lazy_load_members: true })), wantsAll)
  })

  it('chooses by type, with stars as wildcards', () => {
    assert.ok(passes({ types: ['m.room.*'] }))
    assert.ok(passes({ types: ['m.room.message'] }))
    assert.ok(!passes({ types: ['m.room.messag?'] }))
    assert.ok(!passes({ types: [] }))
    assert.ok(!passes({ types: ['*'], not_types: ['*.message'] }))
    assert.ok(!passes({ not_types: ['m.room.message'] }))
    assert.ok(passes({ not_types: ['m.room.message'] }, { type: 'M.room.message' }))
  })

  it('chooses by sender', () => {
    assert.ok(passes({ senders: ['@bob:example.org'] }))
    assert.ok(!passes({ senders: ['@carol:example.org'] }))
    assert.ok(!passes({ senders: ['@bob:example.org'], not_senders: ['@bob:example.org'] }))
    assert.ok(!passes({ senders: ['@bob:example.org'] }, { sender: undefined }))
    assert.ok(passes({ not_senders: ['@bob:example.org'] }, { sender: undefined }))
  })

  it('chooses by room', () => {
    assert.ok(passes({ rooms: ['!room:example.org'] }))
    assert.ok(!passes({ rooms: ['!other:example.org'] }))
    assert.ok(!passes({ not_rooms: ['!room:example.org'] }))
    const choice = compileRoomChoice(parseFilter({ room: { not_rooms: ['!a:b'] } }).room)
    assert.deepEqual([choice('!a:b'), choice('!c:d')], [false, true])
  })

  it('chooses by url', () => {
    assert.ok(passes({ contains_url: true }, { content: { url: 'mxc://a/b' } }))
    assert.ok(!passes({ contains_url: true }))
    assert.ok(!passes({ contains_url: false }, { content: { url: null } }))
    assert.ok(passes({ contains_url: false }))
  })
})

describe('compileFieldProjection', () => {
  it('keeps the fields that are named', () => {
    const fields = [
      'type',
      'content.body',
      'content.a\\.b.c',
      'unsigned.age',
      'sender.x',
      'content.__proto__.y',
    ]
    const project = compileFieldProjection(parseFilter({ event_fields: fields }).eventFields ?? [])
    const content = JSON.parse('{"body":[1],"url":2,"a.b":{"c":3,"d":4},"__proto__":{"y":5,"z":6}}')
    assert.equal(
      JSON.stringify(project({ type: 'x', sender: '@bob:example.org', content })),
      '{"type":"x","content":{"body":[1],"a.b":{"c":3},"__proto__":{"y":5}}}',
    )
  })

  it('keeps a whole field that is also named in part', () => {
    const project = compileFieldProjection(
      parseFilter({ event_fields: ['content', 'content.a'] }).eventFields ?? [],
    )
    assert.deepEqual(project({ content: { a: 1, b: 2 } }), { content: { a: 1, b: 2 } })
  })
})
