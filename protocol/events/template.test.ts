import { test } from 'node:test'
import assert from 'node:assert/strict'
import { makeEventId } from '../ids/event-id.ts'
import { parseRoomId } from '../ids/room-id.ts'
import { parseServerName } from '../ids/server-name.ts'
import type { JsonObject } from '../json/types.ts'
import { creator, member, serverA, stranger, TestRoom } from '../receive/receive-fixture.ts'
import { roomVersions } from '../versions/table.ts'
import { buildEvent } from './build.ts'
import { fieldsFromTemplate, type OwnMembership, type TemplateRequest } from './template.ts'

const own = { content: { displayname: 'Me', membership: 'ban' }, originServerTs: 5 }

/** A room with the template that a server in it makes for a stranger, and what he asked for. */
function setUp(
  version: string,
  extra: JsonObject = {},
): { room: TestRoom; template: JsonObject; request: TemplateRequest; mine: OwnMembership } {
  const room = new TestRoom(version)
  const { pdu } = room.make({
    type: 'm.room.member',
    stateKey: stranger,
    sender: stranger,
    content: { membership: 'join', ...extra },
  })
  const { hashes: _hashes, signatures: _signatures, event_id: _id, ...template } = pdu as JsonObject
  const request: TemplateRequest = {
    membership: 'join',
    roomId: room.id,
    userId: stranger,
    resident: serverA,
  }
  const mine =
    room.rules.eventIdFormat === 'v1'
      ? { ...own, eventId: makeEventId('mine', parseServerName('c.org')) }
      : own
  return { room, template: template as JsonObject, request, mine }
}

test('an event can be built after a template in every version, and says what this server wants', () => {
  for (const version of roomVersions.keys()) {
    const { room, template, request, mine } = setUp(version)
    const evil = {
      ...template,
      origin_server_ts: 99,
      content: { membership: 'join', displayname: 'You', third_party_invite: {} },
      redacts: '$x',
      other: 1,
    }
    const fields = fieldsFromTemplate(room.rules, evil, request, mine) ?? assert.fail(version)
    const { pdu } = buildEvent(room.rules, fields)
    assert.deepEqual(pdu.content, { displayname: 'Me', membership: 'join' })
    assert.equal(pdu.origin_server_ts, 5)
    assert.equal(pdu.sender, stranger)
    assert.deepEqual(pdu.prev_events, template['prev_events'])
    assert.deepEqual(pdu.auth_events, template['auth_events'])
    assert.equal('redacts' in pdu || 'other' in pdu, false)
  }
})

test('a template that is not what was asked for is refused', () => {
  const { room, template, request } = setUp('11')
  const changes: readonly JsonObject[] = [
    { type: 'm.room.power_levels' },
    { room_id: '!other:a.org' },
    { room_id: null },
    { sender: creator },
    { state_key: member },
    { content: { membership: 'leave' } },
    { content: {} },
    { content: 1 },
    { prev_events: Array.from({ length: 21 }, () => `$${'a'.repeat(43)}`) },
    { prev_events: [['$a:b', {}]] },
    { auth_events: 1 },
    { depth: -1 },
    { depth: 2 ** 53 },
  ]
  for (const change of changes) {
    const fields = fieldsFromTemplate(room.rules, { ...template, ...change }, request, own)
    assert.equal(fields, undefined, JSON.stringify(change))
  }
  assert.equal(fieldsFromTemplate(room.rules, [template], request, own), undefined)
  const elsewhere = { ...request, roomId: parseRoomId('!other:a.org') }
  assert.equal(fieldsFromTemplate(room.rules, template, elsewhere, own), undefined)
})

test('who authorises a restricted join is taken from the template if he is of the server that made it', () => {
  const contentFor = (version: string, authoriser: string): JsonObject | undefined => {
    const { room, template, request, mine } = setUp(version, { join_authorised_via_users_server: authoriser })
    return fieldsFromTemplate(room.rules, template, request, mine)?.content
  }
  const plain = { displayname: 'Me', membership: 'join' }
  assert.deepEqual(contentFor('11', creator), { ...plain, join_authorised_via_users_server: creator })
  assert.equal(contentFor('11', member), undefined)
  assert.equal(contentFor('11', 'x'), undefined)
  assert.deepEqual(contentFor('7', creator), plain)
})

test('in versions 1 and 2 every reference must have its hash', () => {
  const { room, template, request, mine } = setUp('2')
  const [[first] = []] = template['prev_events'] as string[][]
  const without = { ...template, prev_events: [[first ?? '', {}]] }
  assert.equal(fieldsFromTemplate(room.rules, without, request, mine), undefined)
})

test('a depth beyond what this server writes becomes the greatest that it does', () => {
  const { room, template, request } = setUp('5')
  const deep = { ...template, depth: 2 ** 60 }
  assert.equal(fieldsFromTemplate(room.rules, deep, request, own)?.depth, Number.MAX_SAFE_INTEGER)
})
