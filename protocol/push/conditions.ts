/**
 * Conditions of push rules, compiled into checks. Client-server API v1.19, "Conditions". "Unrecognised conditions MUST
 * NOT match any events, effectively making the push rule disabled"; one with unusable parameters counts as such.
 */
import type { JsonValue } from '../json/types.ts'
import { ownerPlaceholder } from './default-rules.ts'
import { compileGlob, containsPhrase } from './glob.ts'
import { foldCase, foldedStringAt, parsePath, propertyAt } from './prepared-event.ts'
import type { EventProperties, PropertyPath } from './prepared-event.ts'
import type { PushCondition } from './rule-types.ts'

/** The user whose rules are asked. */
export interface RuleOwner {
  /** Undefined stands for a user whom no event can name. */
  readonly userId: string | undefined
  /** His display name in the room. */
  readonly displayName?: string | undefined
}

/** Whether a condition holds for this event and this user. */
export type Check = (properties: EventProperties, owner: RuleOwner) => boolean

const never: Check = () => false
const bodyPath = parsePath('content.body')

/** The checks of a rule; undefined when one of them can never hold. */
export function compileConditions(conditions: readonly PushCondition[]): readonly Check[] | undefined {
  const checks = conditions.map(compileCondition)
  return checks.includes(never) ? undefined : checks
}

/** The check that a content rule makes with its pattern. */
export function compilePattern(pattern: string): Check {
  return globCheck(bodyPath, pattern)
}

function compileCondition(condition: PushCondition): Check {
  const key = stringOf(condition, 'key')
  switch (condition.kind) {
    case 'event_match': {
      const pattern = stringOf(condition, 'pattern')
      return key === undefined || pattern === undefined ? never : eventMatch(parsePath(key), pattern)
    }
    case 'event_property_is':
      return key === undefined ? never : propertyIs(parsePath(key), valueOf(condition))
    case 'event_property_contains':
      return key === undefined ? never : propertyContains(parsePath(key), valueOf(condition))
    case 'contains_display_name':
      return containsDisplayName
    case 'room_member_count':
      return memberCount(stringOf(condition, 'is') ?? '')
    case 'sender_notification_permission':
      return key === undefined ? never : ({ room }) => room.senderPower >= room.notificationPower(key)
    default:
      return never
  }
}

/** "The match is performed case-insensitively, and must match the entire value of the event property given by `key`" */
function eventMatch(path: PropertyPath, pattern: string): Check {
  if (pattern !== ownerPlaceholder) return globCheck(path, pattern)
  return (properties, { userId }) => userId !== undefined && propertyAt(properties, path) === userId
}

/** "if `key` is `content.body`, then `pattern` must instead match any substring […] at a word boundary" */
function globCheck(path: PropertyPath, pattern: string): Check {
  const matches = compileGlob(foldCase(pattern), { words: path.text === bodyPath.text })
  return (properties) => {
    const value = foldedStringAt(properties, path)
    return value !== undefined && matches(value)
  }
}

/** "The match is performed exactly and only supports non-compound canonical JSON values" */
function propertyIs(path: PropertyPath, value: JsonValue | undefined): Check {
  if (!isScalar(value)) return never
  return (properties) => propertyAt(properties, path) === value
}

/** "This matches if an array property of an event exactly contains a value." */
function propertyContains(path: PropertyPath, value: JsonValue | undefined): Check {
  if (value === ownerPlaceholder) return mentionsOwner
  if (!isScalar(value)) return never
  return (properties) => {
    const list = propertyAt(properties, path)
    return Array.isArray(list) && list.includes(value)
  }
}

function mentionsOwner({ mentions }: EventProperties, { userId }: RuleOwner): boolean {
  return userId !== undefined && mentions.has(userId)
}

function containsDisplayName(properties: EventProperties, owner: RuleOwner): boolean {
  if (owner.displayName === undefined) return false
  const body = foldedStringAt(properties, bodyPath)
  return body !== undefined && containsPhrase(body, foldCase(owner.displayName))
}

/** "A decimal integer optionally prefixed by one of, `==`, `<`, `>`, `>=` or `<=`." */
function memberCount(is: string): Check {
  const parts = /^(==|<=|>=|<|>)?([0-9]{1,15})$/.exec(is)
  if (parts === null) return never
  const count = Number(parts[2])
  switch (parts[1]) {
    case '<':
      return ({ room }) => room.memberCount < count
    case '>':
      return ({ room }) => room.memberCount > count
    case '<=':
      return ({ room }) => room.memberCount <= count
    case '>=':
      return ({ room }) => room.memberCount >= count
    default:
      return ({ room }) => room.memberCount === count
  }
}

function stringOf(condition: PushCondition, name: string): string | undefined {
  const value = Object.hasOwn(condition, name) ? condition[name] : undefined
  return typeof value === 'string' ? value : undefined
}

function valueOf(condition: PushCondition): JsonValue | undefined {
  return Object.hasOwn(condition, 'value') ? condition['value'] : undefined
}

function isScalar(value: JsonValue | undefined): value is string | number | boolean | null {
  return (
    value === null || typeof value === 'string' || typeof value === 'boolean' || Number.isSafeInteger(value)
  )
}
