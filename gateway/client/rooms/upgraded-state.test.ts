import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseUserId } from '#protocol/ids/user-id.ts'
import type { JsonObject } from '#protocol/json/types.ts'
import type { RoomVersionRules } from '#protocol/versions/rules.ts'
import { rulesFor } from '#protocol/versions/table.ts'
import { upgradedJoinRules, upgradedLevels } from './upgraded-state.ts'

const alice = parseUserId('@alice:a')
const bob = parseUserId('@bob:a')
const carol = parseUserId('@carol:a')

function rules(version: number): RoomVersionRules {
  const found = rulesFor(String(version))
  assert.ok(found)
  return found
}

function levels(
  content: JsonObject,
  from: number,
  to: number,
  creators: { readonly old?: readonly (typeof alice)[]; readonly next?: readonly (typeof alice)[] } = {},
): JsonObject {
  const { next = [alice], old = [alice] } = creators
  return upgradedLevels(content, { rules: rules(from), creators: old }, { rules: rules(to), creators: next })
}

describe('power levels of an upgraded room', () => {
  test('stay as they are where the versions agree', () => {
    const content = {
      users: { [alice]: 100, [bob]: 50 },
      ban: 60,
      events: { x: 1 },
      notifications: { room: 50 },
      'org.example': '1',
    }
    assert.deepEqual(levels(content, 10, 11), content)
  })

  test('that were texts become integers, and what nobody could read goes', () => {
    const content = {
      users: { [alice]: ' 100', [bob]: 'much', nobody: 3 },
      ban: '60',
      kick: [],
      events: { x: '1', y: null },
      notifications: 'all',
    }
    assert.deepEqual(levels(content, 9, 10), { users: { [alice]: 100 }, ban: 60, events: { x: 1 } })
    assert.deepEqual(levels({ ban: '60' }, 10, 9), { users: { [alice]: 100 } })
  })

  test('do not name the creators of version 12', () => {
    const content = { users: { [alice]: 100, [bob]: 100, [carol]: 50 } }
    const next = [alice, bob]
    assert.deepEqual(levels(content, 11, 12, { next }), { users: { [carol]: 50 } })
    assert.deepEqual(levels({}, 11, 12), { users: {} })
  })

  test('give those who were above all levels the highest one, where there is no such thing', () => {
    const content = { users: { [carol]: 50 }, events: { 'm.room.tombstone': 150 } }
    const old = [bob, alice]
    assert.deepEqual(levels(content, 12, 11, { old })['users'], { [alice]: 150, [bob]: 150, [carol]: 50 })
    const byCarol = levels(content, 12, 11, { old: [bob], next: [carol] })
    assert.deepEqual(byCarol['users'], { [bob]: 150, [carol]: 50 })
    assert.deepEqual(levels({}, 12, 11)['users'], { [alice]: 100 })
  })

  test('leave a creator at the level that he had, and give him one if he had none of his own', () => {
    assert.deepEqual(levels({ users: { [alice]: 70 } }, 6, 7)['users'], { [alice]: 70 })
    assert.deepEqual(levels({ users: { [bob]: 100 } }, 6, 7)['users'], { [alice]: 100, [bob]: 100 })
  })

  test('keep a name that JavaScript would take for something else', () => {
    const content = JSON.parse('{"events":{"__proto__":7,"constructor":"8"}}') as JsonObject
    const { events } = levels(content, 9, 10)
    assert.equal(JSON.stringify(events), '{"__proto__":7,"constructor":8}')
  })
})

describe('join rules of an upgraded room', () => {
  const cases: readonly (readonly [rule: string, version: number, expected: string])[] = [
    ['public', 1, 'public'],
    ['knock', 7, 'knock'],
    ['knock', 6, 'invite'],
    ['restricted', 8, 'restricted'],
    ['restricted', 7, 'invite'],
    ['knock_restricted', 10, 'knock_restricted'],
    ['knock_restricted', 9, 'restricted'],
    ['knock_restricted', 7, 'knock'],
    ['knock_restricted', 6, 'invite'],
    ['org.example', 1, 'org.example'],
  ]
  for (const [rule, version, expected] of cases) {
    test(`${rule} is ${expected} in version ${version}`, () => {
      const content = { join_rule: rule, allow: [] }
      assert.deepEqual(upgradedJoinRules(rules(version), content), { join_rule: expected, allow: [] })
    })
  }
})
