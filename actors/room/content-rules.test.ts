import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { MatrixError } from '#protocol/errors.ts'
import type { JsonObject } from '#protocol/json/types.ts'
import { rulesFor } from '#protocol/versions/table.ts'
import { checkContent } from './content-rules.ts'

function refusal(type: string, content: JsonObject, stateKey = '', present?: JsonObject): string | undefined {
  return refusalIn('12', { type, stateKey, content }, present)
}

function refusalIn(
  version: string,
  state: { type: string; stateKey: string; content: JsonObject },
  present?: JsonObject,
): string | undefined {
  const rules = rulesFor(version)
  assert.ok(rules)
  try {
    checkContent(rules, state, present)
    return undefined
  } catch (error) {
    assert.ok(error instanceof MatrixError)
    return error.errcode
  }
}

describe('content that a local client may set', () => {
  const good: [string, JsonObject, string?][] = [
    [
      'm.room.power_levels',
      { users: { '@a:b': 9007199254740991 }, events: { x: 0 }, invite: -1, notifications: { room: 50 } },
    ],
    ['m.room.name', { name: null }],
    ['m.room.topic', { topic: 'x', 'm.topic': {} }],
    [
      'm.room.join_rules',
      { join_rule: 'restricted', allow: [{ type: 'm.room_membership', room_id: '!a:b' }] },
    ],
    ['m.room.join_rules', { join_rule: 'restricted', allow: 'all' }],
    ['m.room.member', { membership: 'leave' }, '@a:b'],
    ['m.room.history_visibility', { history_visibility: 'world_readable' }],
    ['m.room.canonical_alias', {}],
    ['org.example.anything', { a: [null, 1.5] }],
  ]
  for (const [type, content, stateKey] of good) {
    test(`${type} ${JSON.stringify(content)}`, () =>
      assert.equal(refusal(type, content, stateKey), undefined))
  }
})

describe('content that is refused', () => {
  const bad: [string, JsonObject, string?][] = [
    ...['100', ' 10 ', '1e3', 1.5, null, true, 2 ** 53].flatMap((level): [string, JsonObject][] => [
      ['m.room.power_levels', { users_default: level }],
      ['m.room.power_levels', { users: { '@a:b': level } }],
      ['m.room.power_levels', { notifications: { room: level } }],
    ]),
    ['m.room.power_levels', { notifications: null }],
    ['m.room.power_levels', { users: { nobody: 1 } }],
    ['m.room.name', { name: 1 }],
    ['m.room.join_rules', {}],
    ['m.room.member', { membership: 'there' }, '@a:b'],
    ['m.room.member', { membership: 'join' }, 'a'],
    ['m.room.member', { membership: 'join', displayname: {} }, '@a:b'],
    ['m.room.history_visibility', { history_visibility: 'some' }],
    ['m.room.encryption', {}],
    ['m.room.pinned_events', { pinned: [1] }],
    ['m.room.server_acl', { allow: '*' }],
    ['m.room.canonical_alias', { alias: 1 }],
  ]
  for (const [type, content, stateKey] of bad) {
    test(`${type} ${JSON.stringify(content)}`, () =>
      assert.equal(refusal(type, content, stateKey), 'M_BAD_JSON'))
  }

  test('an alias that the room has not got, while one that it has may stay or go', () => {
    const present = { alias: '#a:b', alt_aliases: ['#c:b'] }
    assert.equal(refusal('m.room.canonical_alias', { alias: '#x:b' }, '', present), 'M_BAD_ALIAS')
    assert.equal(refusal('m.room.canonical_alias', { alt_aliases: ['#x:b'] }, '', present), 'M_BAD_ALIAS')
    assert.equal(refusal('m.room.canonical_alias', { alias: '#c:b' }, '', present), undefined)
    assert.equal(refusal('m.room.canonical_alias', {}, '', present), undefined)
  })
})

describe('content that depends on the room version', () => {
  const levels = { users: { '@a:b': '100' }, ban: ' 50 ', events: { x: '-1' } }

  test('a level may be a text until version 9, if it is that of an integer', () => {
    const set = (version: string, content: JsonObject) =>
      refusalIn(version, { type: 'm.room.power_levels', stateKey: '', content })
    assert.deepEqual(
      ['1', '5', '9', '10', '12'].map((version) => set(version, levels)),
      [undefined, undefined, undefined, 'M_BAD_JSON', 'M_BAD_JSON'],
    )
    for (const level of ['1e3', '', 'x', null, true]) assert.equal(set('9', { ban: level }), 'M_BAD_JSON')
  })

  test('m.room.aliases is a list of aliases until version 5', () => {
    const set = (version: string, content: JsonObject) =>
      refusalIn(version, { type: 'm.room.aliases', stateKey: 'b', content })
    assert.deepEqual(
      [set('5', { aliases: ['#a:b'] }), set('5', {}), set('6', {})],
      [undefined, 'M_BAD_JSON', undefined],
    )
  })
})
