/**
 * The push rules of a user who comes from a room into the one that replaces it. The specification leaves it open ("Room Upgrades"); users expect
 * that a room that they have silenced stays silent when it is upgraded, and other servers do so, too.
 */
import { MatrixError } from '../errors.ts'
import type { RoomId } from '../ids/room-id.ts'
import type { JsonObject } from '../json/types.ts'
import type { PushCondition, RuleKind } from './rule-types.ts'
import { putRule, setRuleEnabled } from './ruleset.ts'
import { ownRulesOf, type StoredRule, type StoredRules } from './stored-rules.ts'

/** A room and the one that replaces it. */
export interface Succession {
  readonly from: RoomId
  readonly to: RoomId
}

/** Whether this succession has been carried out on these rules. */
export function isCarried(stored: StoredRules | undefined, to: RoomId): boolean {
  return stored?.carried?.includes(to) === true
}

/**
 * The rules with a copy for the new room of each rule that is about the old one: its room rule, and override and underride rules with a condition on
 * the room id. A copy stands directly after its original and is enabled as that is. Rules that are there for the new room stay as they are,
 * and what the limits do not allow is left out. The result remembers the succession, so that a copy that the user deletes does not come back.
 */
export function carryRules(stored: StoredRules | undefined, succession: Succession): StoredRules {
  if (stored !== undefined && isCarried(stored, succession.to)) return stored
  let rules: StoredRules = stored ?? {}
  for (const kind of ['override', 'room', 'underride'] as const) {
    for (const rule of ownRulesOf(stored, kind)) rules = copyRule(rules, kind, { rule, succession })
  }
  return { ...rules, carried: [...(rules.carried ?? []), succession.to] }
}

function copyRule(
  rules: StoredRules,
  kind: RuleKind,
  { rule, succession }: { readonly rule: StoredRule; readonly succession: Succession },
): StoredRules {
  const conditions = copyConditions(rule.conditions, succession)
  const isAbout = kind === 'room' ? rule.rule_id === succession.from : conditions !== undefined
  const ruleId = copiedId(rule.rule_id, succession)
  if (!isAbout || ownRulesOf(rules, kind).some((other) => other.rule_id === ruleId)) return rules
  const address = { kind, ruleId }
  // The cast is sound: a rule is plain JSON.
  const body = { actions: rule.actions, ...(conditions && { conditions }) } as unknown as JsonObject
  try {
    const added = putRule(rules, address, body, { after: rule.rule_id })
    return rule.enabled === false ? setRuleEnabled(added, address, false) : added
  } catch (error) {
    if (error instanceof MatrixError) return rules
    throw error
  }
}

/** Clients name the rule of a room by its id, alone or with more. */
function copiedId(ruleId: string, { from, to }: Succession): string {
  return ruleId.includes(from) ? ruleId.replaceAll(from, () => to) : `${ruleId} ${to}`
}

/** The conditions with the new room in place of the old one; undefined where none names that. */
function copyConditions(
  conditions: readonly PushCondition[] | undefined,
  { from, to }: Succession,
): PushCondition[] | undefined {
  let isAbout = false
  const copies = conditions?.map((condition): PushCondition => {
    const field = fieldOf(condition)
    if (field === undefined || condition['key'] !== 'room_id' || condition[field] !== from) return condition
    isAbout = true
    return { ...condition, [field]: to }
  })
  return isAbout ? copies : undefined
}

/** What a condition compares with. */
function fieldOf({ kind }: PushCondition): 'pattern' | 'value' | undefined {
  if (kind === 'event_match') return 'pattern'
  return kind === 'event_property_is' ? 'value' : undefined
}
