import { test } from 'node:test'
import assert from 'node:assert/strict'
import { parseEventId } from '../ids/event-id.ts'
import { parseRoomId } from '../ids/room-id.ts'
import type { UserId } from '../ids/user-id.ts'
import {
  creator,
  admin,
  mod,
  user,
  invited,
  stranger,
  createId,
  v,
  event,
  stateOf,
  lookupIn,
  ruleOf,
  member,
  withoutLevels,
  table,
  all,
  since,
  until,
  create,
  inviteLevel,
  power,
  type Change,
  joinRule,
} from './auth-fixture.ts'
import { checkAuth } from './check.ts'

table('creation', [
  [all, create({}), 'ok'],
  [all, create({ room_version: '12' }), 'ok'],
  [all, create({}, { prevEvents: [createId] }), 'create.prev_events'],
  [until(11), create({}, { sender: stranger }), 'create.room_id'],
  [all, create({ room_version: 'nonsense' }), 'create.room_version'],
  [all, create({ room_version: 11 }), 'create.room_version'],
  [until(10), create({}, { content: {} }), 'create.creator_missing'],
  [since(11), create({}, { content: {} }), 'ok'],
  [[12], create({ additional_creators: ['@x:y', user] }), 'ok'],
  [[12], create({ additional_creators: 'x' }), 'create.additional_creators'],
  [[12], create({ additional_creators: ['x'] }), 'create.additional_creators'],
  [[12], create({ additional_creators: [1] }), 'create.additional_creators'],
  [until(11), create({ additional_creators: 'x' }), 'ok'],
])

test('a create event of version 12 must not name its room', () => {
  const named = { ...event(v(12), create({})), roomId: parseRoomId('!room:a.org') }
  assert.equal(ruleOf(checkAuth(v(12), named, () => undefined)), 'create.room_id')
})

test('an event must belong to the room of the create event', () => {
  const message = event(v(12), { type: 'm.room.message' })
  assert.equal(
    ruleOf(
      checkAuth(v(12), { ...message, roomId: parseRoomId(`!${'x'.repeat(43)}`) }, lookupIn(stateOf(v(12)))),
    ),
    'room.other_create',
  )
  for (const version of all)
    assert.equal(
      ruleOf(checkAuth(v(version), event(v(version), { type: 'x' }), () => undefined)),
      'room.create_missing',
    )
})

const unfederated: readonly Change[] = [
  {
    type: 'm.room.create',
    stateKey: '',
    sender: creator,
    content: { creator, 'm.federate': false },
    eventId: createId,
  },
]

table('federation', [
  [all, { type: 'm.room.message', sender: user }, 'federate', unfederated],
  [all, { type: 'm.room.message', sender: mod }, 'ok', unfederated],
  [all, member(stranger, stranger, 'join'), 'federate', [...unfederated, ...joinRule('public')]],
])

table('other events', [
  [all, { type: 'm.room.message', sender: user }, 'ok'],
  [all, { type: 'm.room.message', sender: stranger }, 'sender_not_joined'],
  [all, { type: 'm.room.message', sender: invited }, 'sender_not_joined'],
  [all, { type: 'm.room.name', stateKey: '', sender: user }, 'event.level'],
  [all, { type: 'm.room.name', stateKey: '', sender: mod }, 'ok'],
  [all, { type: 'org.state', stateKey: '', sender: user }, 'event.level'],
  [all, { type: 'org.high', sender: mod }, 'event.level'],
  [all, { type: 'org.state', stateKey: mod, sender: mod }, 'ok'],
  [all, { type: 'org.state', stateKey: user, sender: mod }, 'state_key.sender'],
  [all, { type: 'org.state', stateKey: '@', sender: admin }, 'state_key.sender'],
  [all, { type: 'm.room.third_party_invite', stateKey: 't', sender: user }, 'ok'],
  [
    all,
    { type: 'm.room.third_party_invite', stateKey: 't', sender: user },
    'third_party_invite.level',
    [inviteLevel(50)],
  ],
  [until(5), { type: 'm.room.aliases', stateKey: 'c.org', sender: stranger }, 'ok'],
  [until(5), { type: 'm.room.aliases', stateKey: 'a.org', sender: stranger }, 'aliases.domain'],
  [until(5), { type: 'm.room.aliases', sender: admin }, 'aliases.state_key'],
  [since(6), { type: 'm.room.aliases', stateKey: 'c.org', sender: stranger }, 'sender_not_joined'],
])

table('redaction in the authorisation rules', [
  [
    [1, 2],
    { type: 'm.room.redaction', sender: user, eventId: parseEventId('$1:b.org'), redacts: '$2:b.org' },
    'ok',
  ],
  [
    [1, 2],
    { type: 'm.room.redaction', sender: user, eventId: parseEventId('$1:b.org'), redacts: '$2:a.org' },
    'redaction',
  ],
  [[1, 2], { type: 'm.room.redaction', sender: user, eventId: parseEventId('$1:b.org') }, 'redaction'],
  [
    [1, 2],
    { type: 'm.room.redaction', sender: mod, eventId: parseEventId('$1:b.org'), redacts: '$2:a.org' },
    'ok',
  ],
  [since(3), { type: 'm.room.redaction', sender: user, redacts: '$2:a.org' }, 'ok'],
])

test('without power levels the creator has 100 and anybody joined may send messages', () => {
  for (const version of all) {
    const rules = v(version)
    const verdict = (sender: UserId, type: string, stateKey?: string): string =>
      ruleOf(
        checkAuth(
          rules,
          event(rules, stateKey === undefined ? { type, sender } : { type, sender, stateKey }),
          withoutLevels(rules),
        ),
      )
    assert.equal(verdict(creator, 'm.room.name', ''), 'ok')
    assert.equal(verdict(admin, 'm.room.name', ''), 'event.level')
    assert.equal(verdict(admin, 'm.room.message'), 'ok')
    assert.equal(
      ruleOf(
        checkAuth(rules, event(rules, power(creator, { users: { [admin]: 1000 } })), withoutLevels(rules)),
      ),
      'ok',
    )
  }
})
