/**
 * The operations behind the push rule endpoints, on the stored form. Client-server API v1.19, "Push Rules: API". Each
 * takes what is stored (undefined: nothing) and gives what is to be stored, or throws MatrixError and changes nothing.
 */
import { MatrixError } from '../errors.ts'
import type { UserId } from '../ids/user-id.ts'
import { utf8Bytes } from '../json/limits.ts'
import { isJsonObject } from '../json/types.ts'
import type { JsonObject, JsonValue } from '../json/types.ts'
import { defaultRuleDefinitions, findDefaultRule, masterRuleId, ownRule } from './default-rules.ts'
import { isRuleKind, ruleKinds } from './rule-types.ts'
import type { PushRule, RuleKind, Ruleset } from './rule-types.ts'
import { parseActions, parseConditions } from './rule-validation.ts'
import { changedRule, ownRulesOf } from './stored-rules.ts'
import type { StoredChange, StoredRule, StoredRules } from './stored-rules.ts'

/** The most rules of his own that a user may have, all kinds together. */
export const maxRules = 10_000

/** The greatest size of one rule as JSON, in bytes. */
export const maxRuleBytes = 1_024

/** Where a rule stands in the API's paths. */
export interface RuleAddress {
  readonly kind: RuleKind
  readonly ruleId: string
}

/** Where a rule is to be put among the user's own of its kind: the query parameters of the request. */
export interface RulePosition {
  readonly before?: string | undefined
  readonly after?: string | undefined
}

/** The kind named in a path. Throws M_INVALID_PARAM. */
export function parseRuleKind(text: string): RuleKind {
  if (isRuleKind(text)) return text
  throw new MatrixError('M_INVALID_PARAM', `A push rule's kind is one of ${ruleKinds.join(', ')}.`)
}

/** All rules of a user as the API and the `m.push_rules` event show them: the defaults with his changes, and his own. */
export function fullRuleset(userId: UserId, stored: StoredRules | undefined): Ruleset {
  const list = (kind: RuleKind) => rulesOfKind(userId, stored, kind)
  return {
    override: list('override'),
    content: list('content'),
    room: list('room'),
    sender: list('sender'),
    underride: list('underride'),
  }
}

/** One rule as the API shows it. Throws M_NOT_FOUND. */
export function getRule(userId: UserId, stored: StoredRules | undefined, address: RuleAddress): PushRule {
  const { kind, ruleId } = address
  const shared = findDefaultRule(kind, ruleId)
  if (shared !== undefined) return ownRule(changedRule(shared, kind, stored), userId)
  const own = ownRulesOf(stored, kind).find((rule) => rule.rule_id === ruleId)
  if (own === undefined) throw notFound(address)
  return shownRule(own)
}

/**
 * Adds or replaces a rule of the user's own. A new one is enabled; a replaced one stays as it is in that. Without a
 * position a new rule becomes the most important of its kind and a replaced one keeps its place.
 * Throws M_INVALID_PARAM or M_MISSING_PARAM for a rule that is none, M_UNKNOWN (400) for a position beside no rule of
 * the user's own, M_TOO_LARGE past the limits.
 */
export function putRule(
  stored: StoredRules | undefined,
  address: RuleAddress,
  body: JsonValue,
  position: RulePosition = {},
): StoredRules {
  checkNewId(address.ruleId)
  const before = ownRulesOf(stored, address.kind)
  const existing = before.find((rule) => rule.rule_id === address.ruleId)
  const rule = parseRule(address, body, existing)
  if (existing === undefined && countRules(stored) >= maxRules) {
    throw new MatrixError('M_TOO_LARGE', `A user can have ${maxRules} push rules; delete some first.`)
  }
  return withRules(stored, address.kind, placeRule(before, rule, position))
}

/** Deletes a rule of the user's own. Throws M_NOT_FOUND, and M_INVALID_PARAM for a default rule. */
export function deleteRule(stored: StoredRules | undefined, address: RuleAddress): StoredRules {
  const { kind, ruleId } = address
  if (findDefaultRule(kind, ruleId) !== undefined) {
    throw new MatrixError(
      'M_INVALID_PARAM',
      'A server-default push rule cannot be deleted; disable it instead.',
    )
  }
  const before = ownRulesOf(stored, kind)
  const left = before.filter((rule) => rule.rule_id !== ruleId)
  if (left.length === before.length) throw notFound(address)
  return withRules(stored, kind, left)
}

/** Enables or disables a rule, default or own. Throws M_NOT_FOUND. */
export function setRuleEnabled(
  stored: StoredRules | undefined,
  address: RuleAddress,
  enabled: boolean,
): StoredRules {
  const shared = findDefaultRule(address.kind, address.ruleId)
  if (shared !== undefined) {
    const { enabled: _, ...rest } = changeOf(stored, address)
    return withChange(stored, enabled === shared.enabled ? rest : { ...rest, enabled })
  }
  return editOwn(stored, address, ({ enabled: _, ...rule }) => (enabled ? rule : { ...rule, enabled }))
}

/** Sets the actions of a rule, default or own. Throws M_NOT_FOUND, M_INVALID_PARAM, M_TOO_LARGE. */
export function setRuleActions(
  stored: StoredRules | undefined,
  address: RuleAddress,
  body: JsonValue,
): StoredRules {
  const actions = parseActions(body)
  const shared = findDefaultRule(address.kind, address.ruleId)
  if (shared === undefined) return editOwn(stored, address, (rule) => checkSize({ ...rule, actions }))
  const { actions: _, ...rest } = changeOf(stored, address)
  const same = JSON.stringify(actions) === JSON.stringify(shared.actions)
  return withChange(stored, same ? rest : checkSize({ ...rest, actions }))
}

function rulesOfKind(userId: UserId, stored: StoredRules | undefined, kind: RuleKind): PushRule[] {
  const defaults = defaultRuleDefinitions[kind].map((rule) =>
    ownRule(changedRule(rule, kind, stored), userId),
  )
  const own = ownRulesOf(stored, kind).map(shownRule)
  // "Unlike other server-default rules, this one has always a higher priority than other rules, even user defined ones."
  const master = defaults.filter((rule) => rule.rule_id === masterRuleId)
  return [...master, ...own, ...defaults.filter((rule) => rule.rule_id !== masterRuleId)]
}

function shownRule(own: StoredRule): PushRule {
  return { ...own, default: false, enabled: own.enabled !== false }
}

/** "If the string starts with a dot, the request MUST be rejected […] Slashes and backslashes are also not allowed." */
function checkNewId(ruleId: string): void {
  if (ruleId === '') throw new MatrixError('M_INVALID_PARAM', 'A push rule needs an id.')
  if (ruleId.startsWith('.')) {
    throw new MatrixError(
      'M_INVALID_PARAM',
      'Ids of push rules that start with a dot are reserved for the server.',
    )
  }
  if (/[/\\]/.test(ruleId)) {
    throw new MatrixError('M_INVALID_PARAM', "A push rule's id must not contain slashes or backslashes.")
  }
}

function parseRule(address: RuleAddress, body: JsonValue, existing: StoredRule | undefined): StoredRule {
  if (!isJsonObject(body)) throw new MatrixError('M_BAD_JSON', 'A push rule is a JSON object.')
  const actions = Object.hasOwn(body, 'actions') ? body['actions'] : undefined
  if (actions === undefined) throw new MatrixError('M_MISSING_PARAM', 'A push rule needs a list of actions.')
  return checkSize({
    rule_id: address.ruleId,
    actions: parseActions(actions),
    ...(existing?.enabled === false ? { enabled: false } : {}),
    ...kindSpecific(address.kind, body),
  })
}

function kindSpecific(kind: RuleKind, body: JsonObject): Pick<StoredRule, 'conditions' | 'pattern'> {
  switch (kind) {
    case 'override':
    case 'underride':
      return {
        conditions: parseConditions(Object.hasOwn(body, 'conditions') ? body['conditions'] : undefined),
      }
    case 'content': {
      const pattern = Object.hasOwn(body, 'pattern') ? body['pattern'] : undefined
      if (pattern === undefined) throw new MatrixError('M_MISSING_PARAM', 'A content rule needs a pattern.')
      if (typeof pattern !== 'string') throw new MatrixError('M_INVALID_PARAM', 'A pattern is a string.')
      return { pattern }
    }
    case 'room':
    case 'sender':
      return {}
  }
}

function checkSize<T extends StoredRule | StoredChange>(rule: T): T {
  if (utf8Bytes(JSON.stringify(rule)) <= maxRuleBytes) return rule
  throw new MatrixError('M_TOO_LARGE', `A push rule can take ${maxRuleBytes} bytes at most.`)
}

/**
 * "If both `after` and `before` are provided, the new or updated rule must be the next most important rule with respect
 * to the rule identified by `before`."
 */
function placeRule(rules: readonly StoredRule[], rule: StoredRule, position: RulePosition): StoredRule[] {
  const at = rules.findIndex((item) => item.rule_id === rule.rule_id)
  const neighbour = position.before ?? position.after
  if (neighbour === undefined) return at < 0 ? [rule, ...rules] : rules.with(at, rule)
  const others = rules.filter((_, index) => index !== at)
  const beside = others.findIndex((item) => item.rule_id === neighbour)
  if (beside < 0) {
    throw new MatrixError('M_UNKNOWN', `There is no rule ${neighbour} of your own to put this one beside.`, {
      status: 400,
    })
  }
  return others.toSpliced(position.before === undefined ? beside + 1 : beside, 0, rule)
}

function countRules(stored: StoredRules | undefined): number {
  return ruleKinds.reduce((count, kind) => count + ownRulesOf(stored, kind).length, 0)
}

function withRules(
  stored: StoredRules | undefined,
  kind: RuleKind,
  rules: readonly StoredRule[],
): StoredRules {
  return { ...stored, rules: { ...stored?.rules, [kind]: rules } }
}

function editOwn(
  stored: StoredRules | undefined,
  address: RuleAddress,
  edit: (rule: StoredRule) => StoredRule,
): StoredRules {
  const rules = ownRulesOf(stored, address.kind)
  const at = rules.findIndex((rule) => rule.rule_id === address.ruleId)
  const rule = rules[at]
  if (rule === undefined) throw notFound(address)
  return withRules(stored, address.kind, rules.with(at, edit(rule)))
}

function changeOf(stored: StoredRules | undefined, { kind, ruleId }: RuleAddress): StoredChange {
  const change = stored?.changes?.find((item) => item.kind === kind && item.rule_id === ruleId)
  return change ?? { kind, rule_id: ruleId }
}

/** The stored rules with this change in place of any other to the same default rule; one that changes nothing goes. */
function withChange(stored: StoredRules | undefined, change: StoredChange): StoredRules {
  const others = (stored?.changes ?? []).filter(
    (item) => item.kind !== change.kind || item.rule_id !== change.rule_id,
  )
  const empty = change.enabled === undefined && change.actions === undefined
  return { ...stored, changes: empty ? others : [...others, change] }
}

function notFound(address: RuleAddress): MatrixError {
  return new MatrixError(
    'M_NOT_FOUND',
    `There is no ${address.kind} push rule with the id ${address.ruleId}.`,
  )
}
