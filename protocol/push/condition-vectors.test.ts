/** Conditions of push rules with events that they match or not: client-server API v1.19, "Conditions". */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { readPowerLevels } from '../events/read/power-levels.ts'
import { parseUserId } from '../ids/user-id.ts'
import type { JsonObject } from '../json/types.ts'
import { rulesFor } from '../versions/table.ts'
import { compileRules, evaluate, prepareEvent } from './evaluate.ts'
import type { PushEvent, PushRoom } from './prepared-event.ts'
import type { PushCondition } from './rule-types.ts'

interface ConditionFixture {
  readonly event: PushEvent
  readonly conditions: readonly {
    readonly source: string
    readonly condition: PushCondition
    readonly cases: readonly ConditionCase[]
  }[]
}

/** Fields of the event, and what else there is to say. */
interface ConditionCase extends Partial<PushEvent> {
  readonly why: string
  readonly matches: boolean
  readonly displayName?: string
  readonly room?: {
    readonly memberCount?: number
    readonly senderPower?: number
    readonly notifications?: JsonObject
  }
}

const file = new URL('../../test/fixtures/push-conditions.json', import.meta.url)
// The cast is sound as long as the tests below pass.
const fixture = JSON.parse(readFileSync(file, 'utf8')) as ConditionFixture
const owner = parseUserId('@alice:example.org')
const version = rulesFor('11') ?? assert.fail()
const found = { set_tweak: 'found' }

function roomOf({
  memberCount = 7,
  senderPower = 0,
  notifications = {},
}: ConditionCase['room'] = {}): PushRoom {
  const levels = readPowerLevels(version, { notifications }, [])
  return { memberCount, senderPower, notificationPower: (key) => levels.notificationLevel(key) }
}

/** Whether an override rule with these conditions decides about the case's event. */
function decides(conditions: readonly PushCondition[], one: ConditionCase): boolean {
  const { why: _why, matches: _matches, displayName, room, ...fields } = one
  const rules = compileRules({ rules: { override: [{ rule_id: 'mine', conditions, actions: [found] }] } })
  const prepared = prepareEvent({ ...fixture.event, ...fields }, roomOf(room))
  const { actions } = evaluate(prepared, { userId: owner, displayName, rules })
  return actions.some((action) => typeof action === 'object' && action.set_tweak === 'found')
}

describe('a push condition', () => {
  for (const { source, condition, cases } of fixture.conditions) {
    it(`matches what the specification says (${source}): ${JSON.stringify(condition)}`, () => {
      for (const one of cases) {
        assert.equal(decides([condition], one), one.matches, one.why)
        // "All conditions must hold true for an event in order for the rule to match."
        const always: PushCondition = { kind: 'event_match', key: 'type', pattern: '*' }
        assert.equal(decides([always, condition], one), one.matches, `${one.why}, beside one that matches`)
        const never: PushCondition = { kind: 'event_match', key: 'type', pattern: '' }
        assert.equal(decides([condition, never], one), false, `${one.why}, beside one that does not match`)
      }
    })
  }

  it('is in the fixture in every kind, matching and not matching', () => {
    for (const kind of [
      'event_match',
      'event_property_is',
      'event_property_contains',
      'contains_display_name',
      'room_member_count',
      'sender_notification_permission',
    ]) {
      const cases = fixture.conditions.filter(({ condition }) => condition.kind === kind)
      const outcomes = new Set(cases.flatMap((one) => one.cases.map(({ matches }) => matches)))
      assert.deepEqual(outcomes, new Set([true, false]), kind)
    }
  })
})
