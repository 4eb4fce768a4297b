/** The recorded cases of the differential test, judged without Synapse. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { checkAuth } from '#protocol/auth/check.ts'
import { explanationOf, reasons } from './explained.ts'
import { lookupIn, recordedCases } from './recorded.ts'

const cases = recordedCases()

describe('a case in which the rules and Synapse have differed, or one beside it', () => {
  for (const { name, rules, reason, ours, synapse, state, event } of cases) {
    it(`is judged as recorded in version ${rules.id}: ${name}`, () => {
      const verdict = checkAuth(rules, event.checked, lookupIn(state))
      assert.equal(verdict.ok ? 'allow' : verdict.rule, ours)
      const differs = verdict.ok !== (synapse.verdict === 'allow')
      assert.equal(differs, reason !== null)
      const opinions = { rules, event, ours: verdict, synapse: synapse.verdict, why: synapse.why }
      if (differs) assert.equal(explanationOf(opinions), reason)
    })
  }

  it('is recorded for every reason to differ, with one beside it that shows where the reason ends', () => {
    for (const reason of reasons)
      assert.ok(
        cases.some((one) => one.reason === reason),
        reason,
      )
    assert.ok(cases.filter((one) => one.reason === null).length >= reasons.length)
  })
})
