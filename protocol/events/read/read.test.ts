import { test } from 'node:test'
import assert from 'node:assert/strict'
import { parseUserId } from '../../ids/user-id.ts'
import type { JsonValue } from '../../json/types.ts'
import type { RoomVersionRules } from '../../versions/rules.ts'
import { rulesFor } from '../../versions/table.ts'
import { createOf, roomVersionOf } from './create.ts'
import { historyVisibilityOf } from './history-visibility.ts'
import { allowedRoomsOf, joinRuleOf } from './join-rule.ts'
import { displayNameOf, membershipOf } from './membership.ts'
import { levelOf, readPowerLevels } from './power-levels.ts'

const alice = parseUserId('@alice:a')
const bob = parseUserId('@bob:a')

function rules(version: string): RoomVersionRules {
  const found = rulesFor(version)
  if (found === undefined) throw new Error(`no version ${version}`)
  return found
}

test('a membership that is not known is none', () => {
  assert.equal(membershipOf({ membership: 'join' }), 'join')
  for (const content of [{}, { membership: 'JOIN' }, { membership: 1 }, { membership: 'constructor' }])
    assert.equal(membershipOf(content), undefined)
  assert.equal(displayNameOf({ displayname: 1 }), undefined)
})

test('the join rule defaults to invite, but an unknown one stays unknown', () => {
  assert.equal(joinRuleOf(undefined), 'invite')
  assert.equal(joinRuleOf({ join_rule: 'knock' }), 'knock')
  assert.equal(joinRuleOf({ join_rule: 'new' }), undefined)
  assert.equal(joinRuleOf({}), 'invite')
  assert.equal(joinRuleOf({ join_rule: 1 }), undefined)
})

test('allowed rooms are those that are well formed', () => {
  const good = { type: 'm.room_membership', room_id: '!a:b' }
  const allow = [
    good,
    { type: 'other', room_id: '!a:b' },
    { type: 'm.room_membership', room_id: 'x' },
    null,
    'x',
  ]
  assert.deepEqual(allowedRoomsOf({ allow }), ['!a:b'])
  assert.deepEqual(allowedRoomsOf({ allow: 'x' }), [])
})

test('history visibility defaults to shared', () => {
  for (const content of [undefined, {}, { history_visibility: 'x' }])
    assert.equal(historyVisibilityOf(content), 'shared')
  assert.equal(historyVisibilityOf({ history_visibility: 'world_readable' }), 'world_readable')
})

test('a create event names its creators by the rules of its version', () => {
  const content = {
    creator: bob,
    additional_creators: ['@carol:a', 'x', 1],
    'm.federate': false,
    type: 'm.space',
    predecessor: { room_id: '!old:a' },
  }
  assert.deepEqual(createOf(rules('10'), alice, content).creators, [bob])
  assert.deepEqual(createOf(rules('10'), alice, {}).creators, [])
  assert.deepEqual(createOf(rules('11'), alice, content).creators, [alice])
  const info = createOf(rules('12'), alice, content)
  assert.deepEqual(info, {
    creators: [alice, '@carol:a'],
    federate: false,
    roomType: 'm.space',
    predecessor: '!old:a',
  })
  assert.equal(createOf(rules('12'), alice, { 'm.federate': 'false' }).federate, true)
})

test('a room without a version is of version 1', () => {
  assert.deepEqual([{}, { room_version: '12' }, { room_version: 12 }].map(roomVersionOf), [
    '1',
    '12',
    undefined,
  ])
})

test('levels are read as the version allows', () => {
  const cases: readonly (readonly [JsonValue, number | undefined, number | undefined, number | undefined])[] =
    [
      [50, 50, 50, 50],
      [-1, -1, -1, -1],
      [50.9, 50, undefined, undefined],
      [-50.9, -50, undefined, undefined],
      ['100', 100, 100, undefined],
      [' +00100 ', 100, 100, undefined],
      ['-5', -5, -5, undefined],
      ['1.5', undefined, undefined, undefined],
      ['', undefined, undefined, undefined],
      ['99999999999999999999', undefined, undefined, undefined],
      [null, undefined, undefined, undefined],
      [true, undefined, undefined, undefined],
    ]
  for (const [value, v5, v9, v10] of cases) {
    assert.deepEqual(
      ['5', '9', '10'].map((version) => levelOf(rules(version), value)),
      [v5, v9, v10],
      JSON.stringify(value),
    )
  }
})

test('without an event the creator has 100 and the defaults hold', () => {
  const levels = readPowerLevels(rules('11'), undefined, [alice])
  assert.deepEqual([levels.ban, levels.kick, levels.redact, levels.invite], [50, 50, 50, 0])
  assert.deepEqual([levels.userLevel(alice), levels.userLevel(bob)], [100, 0])
  assert.deepEqual(
    [levels.eventLevel('x', true), levels.eventLevel('x', false), levels.notificationLevel('room')],
    [50, 0, 50],
  )
})

test('creators of version 12 stand above every level', () => {
  for (const content of [undefined, { users: { [alice]: 0 } }]) {
    assert.equal(readPowerLevels(rules('12'), content, [alice]).userLevel(alice), Number.POSITIVE_INFINITY)
  }
})

test('levels come from the event, field by field, and unreadable ones from the defaults', () => {
  const content = {
    users: { [alice]: 70, [bob]: 'x' },
    users_default: 5,
    events: { 'm.room.name': 30 },
    state_default: 40,
    events_default: 3,
    invite: 'x',
    notifications: { room: 20 },
  }
  const levels = readPowerLevels(rules('10'), content, [bob])
  assert.deepEqual([levels.userLevel(alice), levels.userLevel(bob), levels.invite], [70, 5, 0])
  assert.deepEqual(
    [levels.eventLevel('m.room.name', true), levels.eventLevel('x', true), levels.eventLevel('x', false)],
    [30, 40, 3],
  )
  assert.equal(levels.notificationLevel('room'), 20)
  assert.equal(levels.eventLevel('constructor', false), 3)
})
