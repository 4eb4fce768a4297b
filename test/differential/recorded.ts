/** Events on which this implementation and Synapse have differed, small, and such beside them: test/fixtures/differential.json. */

import { readFileSync } from 'node:fs'
import { toCheckedEvent, type StateLookup } from '#protocol/auth/auth-event.ts'
import type { RuleId } from '#protocol/auth/verdict.ts'
import { eventIdOf } from '#protocol/events/hash.ts'
import type { Pdu } from '#protocol/events/pdu.ts'
import { rulesFor } from '#protocol/versions/table.ts'
import type { RoomVersionRules } from '#protocol/versions/rules.ts'
import type { Opinions, Reason } from './explained.ts'
import type { PairedEvent } from './random-pairs.ts'

/** A case as it is used. */
export interface RecordedCase {
  readonly name: string
  readonly rules: RoomVersionRules
  /** Why the opinions differ; null if they do not. */
  readonly reason: Reason | null
  readonly ours: 'allow' | RuleId
  readonly synapse: { readonly verdict: Opinions['synapse']; readonly why: string }
  readonly state: readonly PairedEvent[]
  readonly event: PairedEvent
}

interface CaseFixture extends Pick<RecordedCase, 'name' | 'reason' | 'ours' | 'synapse'> {
  readonly version: string
  readonly state: readonly Pdu[]
  readonly event: Pdu
}

/** The cases of the fixture. */
export function recordedCases(): readonly RecordedCase[] {
  const file = new URL('../fixtures/differential.json', import.meta.url)
  // The cast is sound: differential.test.ts fails for a fixture of another form.
  const { cases } = JSON.parse(readFileSync(file, 'utf8')) as { cases: readonly CaseFixture[] }
  return cases.map(({ version, state, event, ...rest }) => {
    const rules = rulesFor(version)
    if (rules === undefined) throw new Error(`The fixture names an unknown room version, ${version}.`)
    return { ...rest, rules, state: state.map((pdu) => pairOf(rules, pdu)), event: pairOf(rules, event) }
  })
}

function pairOf(rules: RoomVersionRules, pdu: Pdu): PairedEvent {
  return { pdu, checked: toCheckedEvent(rules, pdu, eventIdOf(rules, pdu)) }
}

/** A state of such events as the authorisation rules ask for it. */
export function lookupIn(state: readonly PairedEvent[]): StateLookup {
  const entries = new Map(
    state.map(({ checked }) => [JSON.stringify([checked.type, checked.stateKey]), checked]),
  )
  return (type, stateKey) => entries.get(JSON.stringify([type, stateKey]))
}
