/** Differences from Synapse that are meant. Each is explained under "Decisions" in protocol/README.md. */

import type { Verdict } from '#protocol/auth/verdict.ts'
import { field, isJsonObject, type JsonValue } from '#protocol/json/types.ts'
import type { RoomVersionRules } from '#protocol/versions/rules.ts'
import type { PairedEvent } from './random-pairs.ts'

/** What both sides say of one event. */
export interface Opinions {
  readonly rules: RoomVersionRules
  readonly event: PairedEvent
  readonly ours: Verdict
  readonly synapse: 'allow' | 'reject' | 'fail'
  readonly why: string
}

/** The reasons for a difference. Each has a case in test/fixtures/differential.json. */
export const reasons = [
  'closed room: only the sender counts',
  'power levels with a state key are compared with those in force',
  'a level that cannot be read counts as absent',
  'true is not a level',
] as const

/** Why the opinions differ. */
export type Reason = (typeof reasons)[number]

/** The reason why the opinions differ, or undefined if it is not known. */
export function explanationOf(opinions: Opinions): Reason | undefined {
  const { rules, event, ours, synapse, why } = opinions
  const { type, stateKey, content } = event.checked
  if (ours.ok && type === 'm.room.member' && why.includes('unfederatable')) {
    return 'closed room: only the sender counts'
  }
  if (type !== 'm.room.power_levels') return undefined
  if (stateKey !== '' && !ours.ok && ours.rule.startsWith('power_levels.')) {
    return 'power levels with a state key are compared with those in force'
  }
  if (rules.integerPowerLevels) return undefined
  if (ours.ok && synapse === 'fail') return 'a level that cannot be read counts as absent'
  if (!ours.ok && ours.rule === 'power_levels.malformed' && hasBoolean(content)) return 'true is not a level'
  return undefined
}

function hasBoolean(value: JsonValue): boolean {
  if (typeof value === 'boolean') return true
  return isJsonObject(value) && Object.keys(value).some((key) => hasBoolean(field(value, key) ?? null))
}
