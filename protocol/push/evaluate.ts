/**
 * Push rules against an event. An event is checked for every local member of its room, so:
 *
 *   prepareEvent   once per event: properties are looked up once, and the outcome of the default rules for a user whom
 *                  the event does not name is found
 *   evaluate       once per member: who has changed no rule and is not named has that outcome; others go through their
 *                  rules, compiled when they were loaded
 */
import type { UserId } from '../ids/user-id.ts'
import { compileConditions, compilePattern } from './conditions.ts'
import type { Check, RuleOwner } from './conditions.ts'
import { defaultRuleDefinitions, masterRuleId } from './default-rules.ts'
import { eventProperties } from './prepared-event.ts'
import type { EventProperties, PushEvent, PushRoom } from './prepared-event.ts'
import type { Action, PushRule, RuleKind } from './rule-types.ts'
import { changedRule, isUntouched, ownRulesOf } from './stored-rules.ts'
import type { StoredRules } from './stored-rules.ts'

/** What an event means to a user. The actions are those of the rule that matched, empty when none did. */
export interface PushOutcome {
  readonly notify: boolean
  readonly highlight: boolean
  readonly actions: readonly Action[]
}

/** A user's rules, ready to be evaluated. To others than this file it is opaque. */
export interface CompiledRuleset {
  readonly untouched: boolean
  readonly override: readonly CompiledRule[]
  readonly content: readonly CompiledRule[]
  readonly room: ReadonlyMap<string, PushOutcome>
  readonly sender: ReadonlyMap<string, PushOutcome>
  readonly underride: readonly CompiledRule[]
}

interface CompiledRule {
  readonly checks: readonly Check[]
  readonly outcome: PushOutcome
}

/** An event ready to be evaluated for any member. To others than this file it is opaque. */
export interface PreparedEvent {
  readonly properties: EventProperties
  /** The outcome of the default rules for a user whom the event does not name. */
  readonly unnamed: PushOutcome
}

/** A local member of the event's room. */
export interface PushUser extends RuleOwner {
  readonly userId: UserId
  readonly rules: CompiledRuleset
}

const nothing: PushOutcome = Object.freeze({ notify: false, highlight: false, actions: Object.freeze([]) })
const defaultRuleset = compileAll(undefined)

/**
 * A user's rules compiled from what is stored of them. Who has changed nothing shares one object with all such users.
 * Keep it as long as the stored rules do not change.
 */
export function compileRules(stored: StoredRules | undefined): CompiledRuleset {
  return isUntouched(stored) ? defaultRuleset : compileAll(stored)
}

/** The event with everything about it that is the same for all members. */
export function prepareEvent(event: PushEvent, room: PushRoom): PreparedEvent {
  const properties = eventProperties(event, room)
  return { properties, unnamed: walkRules(properties, { userId: undefined }, defaultRuleset) }
}

/**
 * What the event means to this user: "Only `actions` for highest priority rule will be sent", and a user is never
 * notified of "events that the user has sent themselves".
 */
export function evaluate(prepared: PreparedEvent, user: PushUser): PushOutcome {
  const { event, mentions } = prepared.properties
  if (event.sender === user.userId) return nothing
  const named = event.state_key === user.userId || mentions.has(user.userId)
  if (user.rules.untouched && !named) return prepared.unnamed
  return walkRules(prepared.properties, user, user.rules)
}

function walkRules(properties: EventProperties, owner: RuleOwner, rules: CompiledRuleset): PushOutcome {
  const { event } = properties
  return (
    firstMatch(rules.override, properties, owner) ??
    firstMatch(rules.content, properties, owner) ??
    (event.room_id === undefined ? undefined : rules.room.get(event.room_id)) ??
    rules.sender.get(event.sender) ??
    firstMatch(rules.underride, properties, owner) ??
    nothing
  )
}

function firstMatch(
  rules: readonly CompiledRule[],
  properties: EventProperties,
  owner: RuleOwner,
): PushOutcome | undefined {
  for (const rule of rules) {
    let holds = true
    for (const check of rule.checks) {
      if (check(properties, owner)) continue
      holds = false
      break
    }
    if (holds) return rule.outcome
  }
  return undefined
}

function compileAll(stored: StoredRules | undefined): CompiledRuleset {
  const content = enabledRules(stored, 'content').map((rule) => ({
    checks: [compilePattern(rule.pattern ?? '')],
    outcome: outcomeOf(rule.actions),
  }))
  return {
    untouched: stored === undefined,
    override: compileList(enabledRules(stored, 'override')),
    content,
    room: outcomesById(enabledRules(stored, 'room')),
    sender: outcomesById(enabledRules(stored, 'sender')),
    underride: compileList(enabledRules(stored, 'underride')),
  }
}

type Evaluable = Pick<PushRule, 'rule_id' | 'actions' | 'conditions' | 'pattern'>

/** The rules of a kind by priority: `.m.rule.master`, then the user's own, then the other defaults. */
function enabledRules(stored: StoredRules | undefined, kind: RuleKind): Evaluable[] {
  const defaults = defaultRuleDefinitions[kind]
    .map((rule) => changedRule(rule, kind, stored))
    .filter((rule) => rule.enabled)
  const own = ownRulesOf(stored, kind).filter((rule) => rule.enabled !== false)
  const master = defaults.filter((rule) => rule.rule_id === masterRuleId)
  return [...master, ...own, ...defaults.filter((rule) => rule.rule_id !== masterRuleId)]
}

function compileList(rules: readonly Evaluable[]): CompiledRule[] {
  return rules.flatMap((rule) => {
    const checks = compileConditions(rule.conditions ?? [])
    return checks === undefined ? [] : [{ checks, outcome: outcomeOf(rule.actions) }]
  })
}

function outcomesById(rules: readonly Evaluable[]): ReadonlyMap<string, PushOutcome> {
  return new Map(rules.map((rule) => [rule.rule_id, outcomeOf(rule.actions)]))
}

/** "If a `highlight` tweak is given with no value, its value is defined to be `true`." */
function outcomeOf(actions: readonly Action[]): PushOutcome {
  const notify = actions.includes('notify')
  const tweak = actions.find((action) => typeof action === 'object' && action.set_tweak === 'highlight')
  const highlight = typeof tweak === 'object' && tweak.value !== false
  return Object.freeze({ notify, highlight: notify && highlight, actions })
}
