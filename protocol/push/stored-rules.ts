/** What is stored of a user's push rules: only what differs from the defaults, as plain JSON. */
import { findDefaultRule } from './default-rules.ts'
import type { Action, PushCondition, PushRule, RuleKind } from './rule-types.ts'

/** A rule that the user made. */
export interface StoredRule {
  readonly rule_id: string
  readonly actions: readonly Action[]
  /** Present only when the rule is disabled. */
  readonly enabled?: false
  readonly conditions?: readonly PushCondition[]
  readonly pattern?: string
}

/** A change to a default rule. */
export interface StoredChange {
  readonly kind: RuleKind
  readonly rule_id: string
  readonly enabled?: boolean
  readonly actions?: readonly Action[]
}

/** A user's own rules by kind in descending priority, and his changes to default rules. */
export interface StoredRules {
  readonly rules?: { readonly [Kind in RuleKind]?: readonly StoredRule[] }
  readonly changes?: readonly StoredChange[]
  /** Rooms into which the rules about the room that each replaces have been carried (`succession.ts`). */
  readonly carried?: readonly string[]
}

/** The user's own rules of a kind. */
export function ownRulesOf(stored: StoredRules | undefined, kind: RuleKind): readonly StoredRule[] {
  return stored?.rules?.[kind] ?? []
}

/** A default rule as the user has it. */
export function changedRule(shared: PushRule, kind: RuleKind, stored: StoredRules | undefined): PushRule {
  const change = stored?.changes?.find((item) => item.kind === kind && item.rule_id === shared.rule_id)
  if (change === undefined) return shared
  return { ...shared, enabled: change.enabled ?? shared.enabled, actions: change.actions ?? shared.actions }
}

/** Whether the user's rules are the defaults. */
export function isUntouched(stored: StoredRules | undefined): boolean {
  const noRules = Object.values(stored?.rules ?? {}).every((list) => list.length === 0)
  return (
    noRules &&
    (stored?.changes ?? []).every((change) => findDefaultRule(change.kind, change.rule_id) === undefined)
  )
}
