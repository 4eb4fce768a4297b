import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MatrixError } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import { parseUserId } from '../ids/user-id.ts'
import type { JsonValue } from '../json/types.ts'
import { defaultRules } from './default-rules.ts'
import { deleteRule, fullRuleset, getRule, maxRules, parseRuleKind, putRule } from './ruleset.ts'
import { setRuleActions, setRuleEnabled } from './ruleset.ts'
import type { RuleAddress } from './ruleset.ts'
import { isUntouched } from './stored-rules.ts'
import type { StoredRules } from './stored-rules.ts'

const alice = parseUserId('@alice:example.org')
const content = (ruleId: string): RuleAddress => ({ kind: 'content', ruleId })
const cake = { pattern: 'cake', actions: ['notify'] }
const master: RuleAddress = { kind: 'override', ruleId: '.m.rule.master' }

function put(...ids: string[]): StoredRules {
  return ids.reduce<StoredRules>((stored, id) => putRule(stored, content(id), cake), {})
}

function order(stored: StoredRules): string {
  return fullRuleset(alice, stored)
    .content.map((rule) => rule.rule_id)
    .join('')
}

function refuses(errcode: ErrorCode, status: number, call: () => unknown): void {
  assert.throws(
    call,
    (error) => error instanceof MatrixError && error.errcode === errcode && error.status === status,
  )
}

describe('push ruleset', () => {
  it('is the defaults for a user who changed nothing, with his id in them', () => {
    const rules = fullRuleset(alice, undefined)
    assert.deepEqual(rules, defaultRules(alice))
    assert.deepEqual(
      rules.override.map((rule) => rule.rule_id.slice('.m.rule.'.length)),
      [
        'master',
        'suppress_notices',
        'invite_for_me',
        'member_event',
        'is_user_mention',
        'is_room_mention',
        'tombstone',
        'reaction',
        'room.server_acl',
        'suppress_edits',
      ],
    )
    assert.ok(!JSON.stringify(rules).includes('\\u0000'))
    assert.equal(JSON.stringify(rules).split(alice).length, 3)
  })

  it('shows own rules after the master rule and before the other defaults', () => {
    const stored = putRule(undefined, { kind: 'override', ruleId: 'mine' }, { actions: [] })
    assert.deepEqual(
      fullRuleset(alice, stored)
        .override.slice(0, 3)
        .map((rule) => rule.rule_id),
      ['.m.rule.master', 'mine', '.m.rule.suppress_notices'],
    )
    assert.deepEqual(getRule(alice, stored, { kind: 'override', ruleId: 'mine' }), {
      rule_id: 'mine',
      default: false,
      enabled: true,
      actions: [],
      conditions: [],
    })
  })

  it('puts new rules first, or beside the rule that is named', () => {
    assert.equal(order(put('c', 'b', 'a')), 'abc')
    const abc = put('c', 'b', 'a')
    assert.equal(order(putRule(abc, content('x'), cake, { before: 'b' })), 'axbc')
    assert.equal(order(putRule(abc, content('x'), cake, { after: 'b' })), 'abxc')
    assert.equal(order(putRule(abc, content('x'), cake, { before: 'b', after: 'c' })), 'axbc')
    assert.equal(order(putRule(abc, content('c'), cake, { before: 'a' })), 'cab')
    assert.equal(order(putRule(abc, content('b'), cake)), 'abc')
    for (const before of ['nobody', '.m.rule.contains_user_name', 'x']) {
      refuses('M_UNKNOWN', 400, () => putRule(abc, content('x'), cake, { before }))
    }
  })

  it('enables new rules and leaves replaced ones as they are', () => {
    const disabled = setRuleEnabled(put('a'), content('a'), false)
    assert.equal(getRule(alice, disabled, content('a')).enabled, false)
    const replaced = putRule(disabled, content('a'), { pattern: 'pie', actions: [] })
    assert.deepEqual(getRule(alice, replaced, content('a')), {
      rule_id: 'a',
      default: false,
      enabled: false,
      actions: [],
      pattern: 'pie',
    })
    const again = putRule(deleteRule(replaced, content('a')), content('a'), cake)
    assert.equal(getRule(alice, again, content('a')).enabled, true)
    assert.equal(getRule(alice, setRuleEnabled(disabled, content('a'), true), content('a')).enabled, true)
  })

  it('changes default rules, and stores nothing once they are as before', () => {
    const underride: RuleAddress = { kind: 'underride', ruleId: '.m.rule.message' }
    const changed = setRuleActions(setRuleEnabled(undefined, master, true), underride, ['dont_notify'])
    assert.equal(getRule(alice, changed, master).enabled, true)
    assert.deepEqual(getRule(alice, changed, underride).actions, ['dont_notify'])
    assert.ok(!isUntouched(changed))
    const back = setRuleActions(setRuleEnabled(changed, master, false), underride, ['notify'])
    assert.ok(isUntouched(back))
    assert.deepEqual(back.changes, [])
  })

  it('sets actions of own rules', () => {
    const tweak = [{ set_tweak: 'sound', value: 'bing' }]
    assert.deepEqual(
      getRule(alice, setRuleActions(put('a'), content('a'), tweak), content('a')).actions,
      tweak,
    )
  })

  it('says that a rule is not there', () => {
    const unknown = content('unknown')
    refuses('M_NOT_FOUND', 404, () => getRule(alice, put('a'), unknown))
    refuses('M_NOT_FOUND', 404, () => deleteRule(put('a'), unknown))
    refuses('M_NOT_FOUND', 404, () => setRuleEnabled(put('a'), unknown, true))
    refuses('M_NOT_FOUND', 404, () => setRuleActions(put('a'), unknown, []))
    refuses('M_NOT_FOUND', 404, () => getRule(alice, undefined, { kind: 'content', ruleId: master.ruleId }))
  })

  it('refuses what is no rule', () => {
    for (const id of ['.mine', 'a/b', 'a\\b', ''])
      refuses('M_INVALID_PARAM', 400, () => putRule({}, content(id), cake))
    refuses('M_INVALID_PARAM', 400, () => parseRuleKind('device'))
    refuses('M_INVALID_PARAM', 400, () => deleteRule({}, master))
    refuses('M_MISSING_PARAM', 400, () => putRule({}, content('a'), { pattern: 'x' }))
    refuses('M_MISSING_PARAM', 400, () => putRule({}, content('a'), { actions: [] }))
    refuses('M_BAD_JSON', 400, () => putRule({}, content('a'), []))
    const bodies: JsonValue[] = [
      { actions: 'notify' },
      { actions: ['explode'] },
      { actions: [{ set_tweak: 1 }] },
      { actions: [], conditions: {} },
      { actions: [], conditions: [{}] },
      { actions: [], conditions: [{ kind: 'event_match', key: 'type' }] },
      { actions: [], conditions: [{ kind: 'event_property_is', key: 'type', value: [] }] },
    ]
    for (const body of bodies) {
      refuses('M_INVALID_PARAM', 400, () => putRule({}, { kind: 'override', ruleId: 'a' }, body))
    }
    const future = { actions: [], conditions: [{ kind: 'org.example.new' }] }
    assert.ok(putRule({}, { kind: 'override', ruleId: 'a' }, future))
  })

  it('has limits, and below them lets everything be deleted', () => {
    const rules = Array.from({ length: maxRules }, (_, i) => ({
      rule_id: `r${i}`,
      pattern: 'x',
      actions: [],
    }))
    const full: StoredRules = { rules: { content: rules } }
    refuses('M_TOO_LARGE', 413, () => putRule(full, { kind: 'room', ruleId: '!r' }, { actions: [] }))
    assert.ok(putRule(full, content('r7'), cake))
    assert.ok(putRule(deleteRule(full, content('r7')), content('new'), cake))
    const large = { actions: [], pattern: 'é'.repeat(600) }
    refuses('M_TOO_LARGE', 413, () => putRule({}, content('a'), large))
    refuses('M_TOO_LARGE', 413, () =>
      setRuleActions(put('a'), content('a'), [{ set_tweak: 'x'.repeat(1100) }]),
    )
  })

  it('keeps a rule id of any spelling as data', () => {
    const stored = put('__proto__', 'constructor')
    assert.equal(order(stored), 'constructor__proto__')
    assert.equal(getRule(alice, stored, content('__proto__')).pattern, 'cake')
  })
})
