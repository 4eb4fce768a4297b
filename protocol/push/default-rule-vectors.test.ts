/** The predefined push rules and what they make of events: client-server API v1.19, "Predefined Rules". */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { readPowerLevels } from '../events/read/power-levels.ts'
import { parseUserId } from '../ids/user-id.ts'
import type { JsonObject } from '../json/types.ts'
import { rulesFor } from '../versions/table.ts'
import { defaultRules } from './default-rules.ts'
import { compileRules, evaluate, prepareEvent, type PushOutcome } from './evaluate.ts'
import type { PushEvent, PushRoom } from './prepared-event.ts'
import { ruleKinds, type Action, type Ruleset } from './rule-types.ts'
import type { StoredRules } from './stored-rules.ts'

interface DefaultRuleFixture {
  readonly owner: string
  readonly event: PushEvent
  /** As the specification prints them, with a placeholder for the owner's id. */
  readonly rules: Ruleset
  readonly events: readonly EventCase[]
}

interface EventCase {
  readonly name: string
  readonly event: Partial<PushEvent>
  readonly room?: {
    readonly memberCount?: number
    readonly senderPower?: number
    readonly notifications?: JsonObject
  }
  /** The rule that decides; null if none matches. */
  readonly rule: string | null
  readonly actions: readonly Action[]
}

const file = new URL('../../test/fixtures/push-default-rules.json', import.meta.url)
// The cast is sound as long as the tests below pass.
const fixture = JSON.parse(readFileSync(file, 'utf8')) as DefaultRuleFixture
const owner = parseUserId(fixture.owner)
const version = rulesFor('11') ?? assert.fail()

function roomOf({ memberCount = 7, senderPower = 0, notifications = {} }: EventCase['room'] = {}): PushRoom {
  const levels = readPowerLevels(version, { notifications }, [])
  return { memberCount, senderPower, notificationPower: (key) => levels.notificationLevel(key) }
}

function outcomeOf({ event, room }: EventCase, stored?: StoredRules): PushOutcome {
  const prepared = prepareEvent({ ...fixture.event, ...event }, roomOf(room))
  return evaluate(prepared, { userId: owner, displayName: 'Alice', rules: compileRules(stored) })
}

/** Default rules whose only action is to say which they are. */
const telling: StoredRules = {
  changes: ruleKinds.flatMap((kind) =>
    defaultRules(owner)[kind].map(({ rule_id }) => ({
      kind,
      rule_id,
      actions: [{ set_tweak: 'rule', value: rule_id }],
    })),
  ),
}

describe('the predefined push rules', () => {
  it('are those of the specification, in its order', () => {
    const printed = JSON.stringify(fixture.rules).replaceAll("[the user's Matrix ID]", owner)
    const rules = defaultRules(owner)
    assert.deepEqual(
      rules.override.map(({ rule_id }) => rule_id),
      fixture.rules.override.map(({ rule_id }) => rule_id),
    )
    assert.deepEqual(rules, JSON.parse(printed))
  })

  for (const one of fixture.events) {
    it(`make of ${one.name}: ${JSON.stringify(one.actions)}`, () => {
      const outcome = outcomeOf(one)
      assert.deepEqual(outcome.actions, one.actions)
      assert.equal(outcome.notify, one.actions.includes('notify'))
      const highlights = one.actions.some(
        (action) => typeof action === 'object' && action.set_tweak === 'highlight',
      )
      assert.equal(outcome.highlight, highlights)
      const expected = one.rule === null ? [] : [{ set_tweak: 'rule', value: one.rule }]
      assert.deepEqual(outcomeOf(one, telling).actions, expected)
    })
  }

  it('are each decisive for some event of the fixture, but for the one that is off', () => {
    const decisive = new Set(fixture.events.map(({ rule }) => rule))
    const known = ruleKinds.flatMap((kind) => fixture.rules[kind].map(({ rule_id }) => rule_id))
    assert.deepEqual(
      known.filter((id) => !decisive.has(id)),
      ['.m.rule.master'],
    )
  })
})
