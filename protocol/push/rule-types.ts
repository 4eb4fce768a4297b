/** The shapes of push rules as clients see them. Client-server API v1.19, "Push Rules". */
import type { JsonObject, JsonValue } from '../json/types.ts'

/** The kinds of rule in the order in which they are checked. */
export const ruleKinds = ['override', 'content', 'room', 'sender', 'underride'] as const

/** A kind of push rules, in the order in which they are tried. */
export type RuleKind = (typeof ruleKinds)[number]

/**
 * What happens to an event that a rule matches: `notify`, or an object that sets a tweak. The historical `dont_notify` and `coalesce`
 * are kept as clients set them and mean nothing: "Clients and homeservers MUST ignore any such actions".
 */
export type Action =
  | 'notify'
  | 'dont_notify'
  | 'coalesce'
  | (JsonObject & { readonly set_tweak: string; readonly value?: JsonValue })

/** A condition of an override or underride rule. Kinds that this server does not know never match. */
export interface PushCondition extends JsonObject {
  readonly kind: string
}

/** A rule as the API shows it. `conditions` only with override and underride, `pattern` only with content rules. */
export interface PushRule {
  readonly rule_id: string
  readonly default: boolean
  readonly enabled: boolean
  readonly actions: readonly Action[]
  readonly conditions?: readonly PushCondition[]
  readonly pattern?: string
}

/** All rules of a user, each kind in descending priority. */
export type Ruleset = Readonly<Record<RuleKind, readonly PushRule[]>>

/** True for the name of a kind of push rules. */
export function isRuleKind(text: string): text is RuleKind {
  return (ruleKinds as readonly string[]).includes(text)
}
