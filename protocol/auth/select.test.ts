import { test } from 'node:test'
import assert from 'node:assert/strict'
import {
  admin,
  mod,
  user,
  stranger,
  v,
  event,
  member,
  create,
  good,
  by,
  type Change,
} from './auth-fixture.ts'
import { authEventKeys } from './select.ts'

test('the auth events of an event are those of the selection', () => {
  const keys = (version: number, change: Change): string[] =>
    authEventKeys(v(version), event(v(version), change)).map((key) => key.join(' '))
  assert.deepEqual(keys(12, create({})), [])
  assert.deepEqual(keys(11, { type: 'm.room.message' }), [
    'm.room.create ',
    'm.room.power_levels ',
    `m.room.member ${admin}`,
  ])
  assert.deepEqual(keys(12, { type: 'm.room.message' }), ['m.room.power_levels ', `m.room.member ${admin}`])
  assert.deepEqual(keys(12, member(user, user, 'join', by(mod))), [
    'm.room.power_levels ',
    `m.room.member ${user}`,
    'm.room.join_rules ',
    `m.room.member ${mod}`,
  ])
  assert.deepEqual(keys(7, member(user, user, 'join', by(mod))).includes(`m.room.member ${mod}`), false)
  assert.deepEqual(keys(12, member(mod, stranger, 'invite', good)), [
    'm.room.power_levels ',
    `m.room.member ${mod}`,
    `m.room.member ${stranger}`,
    'm.room.join_rules ',
    'm.room.third_party_invite token',
  ])
  assert.deepEqual(keys(12, member(mod, user, 'ban')), [
    'm.room.power_levels ',
    `m.room.member ${mod}`,
    `m.room.member ${user}`,
  ])
  assert.deepEqual(keys(12, member(user, user, 'leave')), ['m.room.power_levels ', `m.room.member ${user}`])
  assert.deepEqual(keys(12, member(user, user, 'knock')), [
    'm.room.power_levels ',
    `m.room.member ${user}`,
    'm.room.join_rules ',
  ])
})
