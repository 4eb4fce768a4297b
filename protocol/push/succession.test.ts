import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseRoomId } from '../ids/room-id.ts'
import { maxRules, putRule, setRuleEnabled } from './ruleset.ts'
import { ownRulesOf, type StoredRules } from './stored-rules.ts'
import { carryRules } from './succession.ts'

const from = parseRoomId('!old:a')
const to = parseRoomId('!new:a')
const third = parseRoomId('!other:a')
const matches = (roomId: string) => ({ kind: 'event_match', key: 'room_id', pattern: roomId })

function room(stored: StoredRules | undefined, ruleId: string): StoredRules {
  return putRule(stored, { kind: 'room', ruleId }, { actions: ['notify'] })
}

test('the rule of a room is copied beside it, with its actions and as it is enabled, and once', () => {
  let stored = room(room(room(undefined, third), from), '!last:a')
  stored = setRuleEnabled(stored, { kind: 'room', ruleId: from }, false)
  const carried = carryRules(stored, { from, to })
  assert.deepEqual(ownRulesOf(carried, 'room'), [
    { rule_id: '!last:a', actions: ['notify'] },
    { rule_id: from, actions: ['notify'], enabled: false },
    { rule_id: to, actions: ['notify'], enabled: false },
    { rule_id: third, actions: ['notify'] },
  ])
  assert.equal(carryRules(carried, { from, to }), carried)
  const deleted: StoredRules = { ...carried, rules: { room: [] } }
  assert.equal(carryRules(room(deleted, from), { from, to }).rules?.room?.length, 1)
})

test('override and underride rules with a condition on the room are copied with the new room in it', () => {
  const other = { kind: 'event_match', key: 'type', pattern: 'm.room.message' }
  const conditions = [other, matches(from)]
  let stored = putRule(
    undefined,
    { kind: 'override', ruleId: from },
    { actions: [], conditions: [matches(from)] },
  )
  stored = putRule(stored, { kind: 'override', ruleId: `mute ${from}` }, { actions: [], conditions })
  stored = putRule(
    stored,
    { kind: 'underride', ruleId: 'mine' },
    {
      actions: ['notify'],
      conditions: [{ kind: 'event_property_is', key: 'room_id', value: from }],
    },
  )
  stored = putRule(
    stored,
    { kind: 'override', ruleId: 'elsewhere' },
    { actions: [], conditions: [matches(third)] },
  )
  const { rules } = carryRules(stored, { from, to })
  assert.deepEqual(rules?.override, [
    { rule_id: 'elsewhere', actions: [], conditions: [matches(third)] },
    { rule_id: `mute ${from}`, actions: [], conditions },
    { rule_id: `mute ${to}`, actions: [], conditions: [other, matches(to)] },
    { rule_id: from, actions: [], conditions: [matches(from)] },
    { rule_id: to, actions: [], conditions: [matches(to)] },
  ])
  assert.deepEqual(
    rules?.underride?.map((rule) => [rule.rule_id, rule.conditions]),
    [
      ['mine', [{ kind: 'event_property_is', key: 'room_id', value: from }]],
      [`mine ${to}`, [{ kind: 'event_property_is', key: 'room_id', value: to }]],
    ],
  )
})

test('a rule that is there for the new room stays, and nothing of the old one is lost', () => {
  const stored = putRule(room(undefined, from), { kind: 'room', ruleId: to }, { actions: [] })
  const { rules } = carryRules(stored, { from, to })
  assert.deepEqual(rules?.room, [
    { rule_id: to, actions: [] },
    { rule_id: from, actions: ['notify'] },
  ])
})

test('what the limits do not allow is left out', () => {
  const full: StoredRules = {
    rules: {
      room: [
        { rule_id: from, actions: ['notify'] },
        ...Array.from({ length: maxRules - 1 }, (_, n) => ({ rule_id: `!${n}:a`, actions: [] })),
      ],
    },
  }
  const carried = carryRules(full, { from, to })
  assert.deepEqual(carried.rules, full.rules)
  assert.deepEqual(carried.carried, [to])
})

test('without rules there is only the memory of it', () => {
  assert.deepEqual(carryRules(undefined, { from, to }), { carried: [to] })
})
