/** Checks of the actions and conditions that a client sends. All throw M_INVALID_PARAM with what is wrong. */
import { MatrixError } from '../errors.ts'
import { isJsonObject } from '../json/types.ts'
import type { JsonObject, JsonValue } from '../json/types.ts'
import type { Action, PushCondition } from './rule-types.ts'

/** The parameters that the conditions of the specification need, and their types. Client-server API v1.19, "Conditions". */
const parameters: ReadonlyMap<string, readonly (readonly [name: string, type: 'string' | 'scalar'])[]> =
  new Map([
    [
      'event_match',
      [
        ['key', 'string'],
        ['pattern', 'string'],
      ],
    ],
    [
      'event_property_is',
      [
        ['key', 'string'],
        ['value', 'scalar'],
      ],
    ],
    [
      'event_property_contains',
      [
        ['key', 'string'],
        ['value', 'scalar'],
      ],
    ],
    ['contains_display_name', []],
    ['room_member_count', [['is', 'string']]],
    ['sender_notification_permission', [['key', 'string']]],
  ])

/** A list of actions. */
export function parseActions(value: JsonValue): Action[] {
  if (!Array.isArray(value)) throw invalid('The actions of a push rule are a list.')
  return value.map((action: JsonValue): Action => {
    if (action === 'notify' || action === 'dont_notify' || action === 'coalesce') return action
    if (isTweak(action)) return action
    throw invalid('An action is "notify", or an object with a string "set_tweak".')
  })
}

/** A list of conditions; none when it is absent. Kinds that are not known here are kept, and never match. */
export function parseConditions(value: JsonValue | undefined): PushCondition[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) throw invalid('The conditions of a push rule are a list.')
  return value.map((condition: JsonValue) => {
    if (!isCondition(condition)) throw invalid('A condition is an object with a string "kind".')
    for (const [name, type] of parameters.get(condition.kind) ?? []) {
      if (hasParameter(condition, name, type)) continue
      throw invalid(`A condition of kind ${condition.kind} needs a ${type} "${name}".`)
    }
    return condition
  })
}

function isTweak(value: JsonValue): value is Action & JsonObject {
  return isJsonObject(value) && Object.hasOwn(value, 'set_tweak') && typeof value['set_tweak'] === 'string'
}

function isCondition(value: JsonValue): value is PushCondition {
  return isJsonObject(value) && Object.hasOwn(value, 'kind') && typeof value['kind'] === 'string'
}

function hasParameter(condition: PushCondition, name: string, type: 'string' | 'scalar'): boolean {
  if (!Object.hasOwn(condition, name)) return false
  const value = condition[name]
  if (type === 'string') return typeof value === 'string'
  return (
    value === null || typeof value === 'string' || typeof value === 'boolean' || Number.isSafeInteger(value)
  )
}

function invalid(message: string): MatrixError {
  return new MatrixError('M_INVALID_PARAM', message)
}
