import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseUserId } from '../ids/user-id.ts'
import type { JsonObject } from '../json/types.ts'
import { compileRules, evaluate, prepareEvent } from './evaluate.ts'
import type { PushOutcome } from './evaluate.ts'
import { parsePath } from './prepared-event.ts'
import type { PushEvent, PushRoom } from './prepared-event.ts'
import type { Action, PushCondition } from './rule-types.ts'
import type { StoredRules } from './stored-rules.ts'

const alice = parseUserId('@alice:example.org')
const bigRoom: PushRoom = { memberCount: 7, senderPower: 0, notificationPower: () => 50 }

function message(content: JsonObject, change: Partial<PushEvent> = {}): PushEvent {
  const base = { type: 'm.room.message', sender: '@bob:example.org', room_id: '!room', event_id: '$event' }
  return { ...base, content: { msgtype: 'm.text', body: 'hello', ...content }, ...change }
}

function outcome(event: PushEvent, stored?: StoredRules, room: PushRoom = bigRoom): PushOutcome {
  const user = { userId: alice, displayName: 'Alice A.', rules: compileRules(stored) }
  return evaluate(prepareEvent(event, room), user)
}

function override(conditions: PushCondition[]): StoredRules {
  return { rules: { override: [{ rule_id: 'mine', conditions, actions: [{ set_tweak: 'found' }] }] } }
}

function matches(condition: PushCondition, event: PushEvent, room?: PushRoom): boolean {
  const { actions } = outcome(event, override([condition]), room)
  return actions.some((action: Action) => typeof action === 'object' && action.set_tweak === 'found')
}

const sound = { set_tweak: 'sound', value: 'default' }
const highlight = { set_tweak: 'highlight' }

describe('push rules of a user who changed nothing', () => {
  const pair: PushRoom = { ...bigRoom, memberCount: 2 }
  const strong: PushRoom = { ...bigRoom, senderPower: 50 }
  const mention = (...ids: string[]) => message({ 'm.mentions': { user_ids: ids } })
  const roomMention = message({ 'm.mentions': { room: true } })
  const invite = message({ membership: 'invite' }, { type: 'm.room.member', state_key: alice })
  const table: [name: string, event: PushEvent, room: PushRoom, actions: unknown[]][] = [
    ['a message notifies', message({}), bigRoom, ['notify']],
    ['a message between two sounds', message({}), pair, ['notify', sound]],
    ['an encrypted message notifies', message({}, { type: 'm.room.encrypted' }), bigRoom, ['notify']],
    ['a notice is silent', message({ msgtype: 'm.notice' }), pair, []],
    ['a mention sounds and highlights', mention('@x:y', alice), bigRoom, ['notify', sound, highlight]],
    ['a mention of somebody else does not', mention('@x:y', '', '\0owner'), bigRoom, ['notify']],
    ['an edit is silent', message({ 'm.relates_to': { rel_type: 'm.replace' } }), pair, []],
    [
      'a mention in an edit highlights',
      message({ 'm.relates_to': { rel_type: 'm.replace' }, 'm.mentions': { user_ids: [alice] } }),
      pair,
      ['notify', sound, highlight],
    ],
    ['a room mention by who may highlights', roomMention, strong, ['notify', highlight]],
    ['a room mention by who may not is a message', roomMention, bigRoom, ['notify']],
    ['an invite sounds', invite, bigRoom, ['notify', sound]],
    ['an invite of somebody else is silent', { ...invite, state_key: '@carol:example.org' }, bigRoom, []],
    ['an invite of nobody is silent', { ...invite, state_key: '' }, bigRoom, []],
    ['a member event without state key is silent', { ...invite, state_key: undefined }, bigRoom, []],
    [
      'a tombstone highlights',
      message({}, { type: 'm.room.tombstone', state_key: '' }),
      bigRoom,
      ['notify', highlight],
    ],
    ['a tombstone without state key does not', message({}, { type: 'm.room.tombstone' }), bigRoom, []],
    ['a reaction is silent', message({}, { type: 'm.reaction' }), bigRoom, []],
    [
      'a call rings',
      message({}, { type: 'm.call.invite' }),
      bigRoom,
      ['notify', { set_tweak: 'sound', value: 'ring' }],
    ],
    ['an unknown event is silent', message({}, { type: 'org.example.thing' }), bigRoom, []],
    ['his own event is silent', message({}, { sender: alice }), bigRoom, []],
  ]
  for (const [name, event, room, actions] of table) {
    it(name, () => {
      const result = outcome(event, undefined, room)
      assert.deepEqual(result.actions, actions)
      assert.equal(result.notify, actions.includes('notify'))
      assert.equal(result.highlight, actions.includes(highlight))
    })
    it(`${name}, found by going through all rules as well`, () => {
      const unrelated = { rules: { room: [{ rule_id: '!other', actions: [] }] } }
      assert.deepEqual(outcome(event, unrelated, room).actions, actions)
    })
  }
})

describe('push rules of the user himself', () => {
  it('go before the default ones in the order of kinds and priorities', () => {
    const rules: StoredRules['rules'] = {
      underride: [{ rule_id: 'u', conditions: [], actions: ['notify', { set_tweak: 'underride' }] }],
      sender: [{ rule_id: '@bob:example.org', actions: ['notify', { set_tweak: 'sender' }] }],
      room: [{ rule_id: '!room', actions: ['notify', { set_tweak: 'room' }] }],
      content: [
        { rule_id: 'c0', pattern: 'hell', actions: [] },
        { rule_id: 'c1', pattern: 'HELL*', actions: ['notify', { set_tweak: 'content' }] },
        { rule_id: 'c2', pattern: 'hello', actions: [] },
      ],
      override: [{ rule_id: 'o', conditions: [], actions: ['notify', { set_tweak: 'override' }] }],
    }
    const kinds = ['override', 'content', 'room', 'sender', 'underride'] as const
    const left = { ...rules }
    for (const kind of kinds) {
      assert.deepEqual(outcome(message({}), { rules: left }).actions, ['notify', { set_tweak: kind }])
      delete left[kind]
    }
  })

  it('do not go before the master rule', () => {
    const stored: StoredRules = {
      ...override([]),
      changes: [{ kind: 'override', rule_id: '.m.rule.master', enabled: true }],
    }
    assert.deepEqual(outcome(message({}), stored).actions, [])
  })

  it('do not match while they are disabled, and default ones likewise', () => {
    const own: StoredRules = {
      rules: { content: [{ rule_id: 'c', pattern: 'hello', actions: [], enabled: false }] },
    }
    assert.equal(outcome(message({}), own).notify, true)
    const off: StoredRules = { changes: [{ kind: 'underride', rule_id: '.m.rule.message', enabled: false }] }
    assert.equal(outcome(message({}), off).notify, false)
  })

  it('take a highlight tweak of false for none', () => {
    const stored: StoredRules = {
      changes: [
        {
          kind: 'underride',
          rule_id: '.m.rule.message',
          actions: ['notify', { set_tweak: 'highlight', value: false }],
        },
      ],
    }
    assert.equal(outcome(message({}), stored).highlight, false)
  })
})

describe('push conditions', () => {
  it('event_match takes whole values and folds case', () => {
    const topic = (value: string | null | undefined) => message(value === undefined ? {} : { topic: value })
    const condition = { kind: 'event_match', key: 'content.topic', pattern: 'lunc?*' }
    assert.ok(matches(condition, topic('Lunch plans')))
    assert.ok(matches(condition, topic('LUNCH')))
    for (const value of [' lunch', 'lunc', null, undefined]) assert.ok(!matches(condition, topic(value)))
    assert.ok(!matches({ ...condition, pattern: '*' }, topic(undefined)))
  })

  it('event_match finds words in the body', () => {
    const condition = { kind: 'event_match', key: 'content.body', pattern: 'ex*ple' }
    assert.ok(matches(condition, message({ body: 'An exciting triple-whammy' })))
    assert.ok(!matches(condition, message({ body: 'An exciting triplet' })))
  })

  it('event_property_is compares without conversion', () => {
    const condition = { kind: 'event_property_is', key: 'content.m\\.federate', value: true }
    assert.ok(matches(condition, message({ 'm.federate': true })))
    for (const value of ['true', 1, null, [true]])
      assert.ok(!matches(condition, message({ 'm.federate': value })))
    assert.ok(!matches({ ...condition, value: [] }, message({ 'm.federate': [] })))
    assert.ok(matches({ ...condition, value: null }, message({ 'm.federate': null })))
    assert.ok(!matches({ ...condition, value: null }, message({})))
  })

  it('event_property_contains looks into lists only', () => {
    const condition = { kind: 'event_property_contains', key: 'content.list', value: 3 }
    assert.ok(matches(condition, message({ list: [[3], 'a', 3] })))
    for (const list of [[[3]], ['3'], 3, {}]) assert.ok(!matches(condition, message({ list })))
  })

  it('contains_display_name finds the name as a phrase', () => {
    const condition = { kind: 'contains_display_name' }
    assert.ok(matches(condition, message({ body: 'ask alice a. about it' })))
    assert.ok(!matches(condition, message({ body: 'ask malice a. about it' })))
    assert.ok(!matches(condition, message({ body: ['alice a.'] })))
  })

  it('room_member_count compares with the number', () => {
    const room = { ...bigRoom, memberCount: 3 }
    const counts = {
      '3': true,
      '==3': true,
      '<3': false,
      '<=3': true,
      '>3': false,
      '>2': true,
      '>=4': false,
      x: false,
    }
    for (const [is, expected] of Object.entries(counts)) {
      assert.equal(matches({ kind: 'room_member_count', is }, message({}), room), expected, is)
    }
  })

  it('sender_notification_permission compares with the level for its key', () => {
    const room = {
      ...bigRoom,
      senderPower: 20,
      notificationPower: (key: string) => (key === 'low' ? 20 : 50),
    }
    assert.ok(matches({ kind: 'sender_notification_permission', key: 'low' }, message({}), room))
    assert.ok(!matches({ kind: 'sender_notification_permission', key: 'room' }, message({}), room))
  })

  it('never match when their kind or parameters are not known', () => {
    assert.ok(!matches({ kind: 'org.example.new' }, message({})))
    assert.ok(!matches({ kind: 'event_match', key: 'type' }, message({})))
    assert.ok(!matches({ kind: 'event_match', key: 'constructor.name', pattern: '*' }, message({})))
  })

  it('find properties by escaped paths', () => {
    assert.deepEqual(parsePath('content.m\\.a\\\\b\\x.c').keys, ['content', 'm.a\\b\\x', 'c'])
    assert.deepEqual(parsePath('a..b\\').keys, ['a', '', 'b\\'])
  })
})
