// The rules for `m.room.power_levels`: room versions v1.19, authorisation rule 10 (9 in v6 to v11).

import { isUserId } from '../ids/user-id.ts'
import { field, isJsonObject, objectField, type JsonObject } from '../json/types.ts'
import { levelDefaults, levelOf } from '../events/read/power-levels.ts'
import type { RoomVersionRules } from '../versions/rules.ts'
import type { CheckedEvent } from './auth-event.ts'
import type { RoomView } from './room-view.ts'
import { allow, reject, type Verdict } from './verdict.ts'

const singleLevels = Object.keys(levelDefaults)

/** Judges a change of power levels by the levels that the room has now. */
export function checkPowerLevels(room: RoomView, event: CheckedEvent): Verdict {
  const form = checkForm(room, event.content)
  if (!form.ok) return form
  // "If there is no previous m.room.power_levels event in the room, allow."
  const previous = room.lookup('m.room.power_levels', '')
  if (previous === undefined) return allow
  const change: Change = {
    rules: room.rules,
    old: previous.content,
    new: event.content,
    level: room.levels.userLevel(event.sender),
  }
  const tooHigh = singlesTooHigh(change) ?? mapsTooHigh(change) ?? usersTooHigh(change, event.sender)
  if (tooHigh === undefined) return allow
  return reject('power_levels.too_high', `Your power level is too low to change ${tooHigh}.`)
}

/** Two contents of power levels and the level of who wants to replace the old one. */
interface Change {
  readonly rules: RoomVersionRules
  readonly old: JsonObject
  readonly new: JsonObject
  readonly level: number
}

function checkForm(room: RoomView, content: JsonObject): Verdict {
  const { rules, creators } = room
  if (rules.integerPowerLevels) {
    // "If any of the properties users_default, events_default, state_default, ban, redact, kick, or invite in content are
    // present and not an integer, reject." Since v10.
    const bad = singleLevels.find(
      (name) => Object.hasOwn(content, name) && levelOf(rules, content[name]) === undefined,
    )
    if (bad !== undefined) return malformed(`${bad} must be an integer`)
    // "If either of the properties events or notifications in content are present and not an object with values that are
    // integers, reject." Since v10.
    for (const name of ['events', 'notifications']) {
      if (!isLevelMap(rules, content, name)) return malformed(`${name} must be an object of integers`)
    }
  }
  // "If the users property in content is not an object with keys that are valid user IDs with values that are integers,
  // reject." Before v10 also strings. It may be absent.
  const users = objectField(content, 'users') ?? {}
  if (!isLevelMap(rules, content, 'users') || !Object.keys(users).every(isUserId)) {
    return malformed('users must be an object of user ids and integers')
  }
  // "If the users property in content contains the sender of the m.room.create event or any of the additional_creators
  // array (if present) from the content of the m.room.create event, reject." Since v12.
  if (rules.privilegedCreators && creators.some((creator) => Object.hasOwn(users, creator))) {
    return reject('power_levels.creator', 'The power level of a creator cannot be set.')
  }
  return allow
}

function malformed(why: string): Verdict {
  return reject('power_levels.malformed', `In the power levels, ${why}.`)
}

function isLevelMap(rules: RoomVersionRules, content: JsonObject, name: string): boolean {
  const map = field(content, name)
  if (map === undefined) return true
  return isJsonObject(map) && Object.values(map).every((value) => levelOf(rules, value) !== undefined)
}

/**
 * "For the properties users_default, events_default, state_default, ban, redact, kick, invite check if they were added,
 * changed or removed. For each found alteration: If the current value is higher than the sender's current power level,
 * reject. If the new value is higher than the sender's current power level, reject."
 */
function singlesTooHigh(change: Change): string | undefined {
  return alterationTooHigh(change, change.old, change.new, singleLevels)
}

/**
 * "For each entry being changed in, or removed from, the events or notifications properties: If the current value is
 * greater than the sender's current power level, reject. For each entry being added to, or changed in …: If the new value
 * is greater …, reject." Notifications since v6.
 */
function mapsTooHigh(change: Change): string | undefined {
  for (const name of change.rules.notificationLevelsChecked ? ['events', 'notifications'] : ['events']) {
    const [before, after] = mapsOf(change, name)
    const entry = alterationTooHigh(change, before, after, keysOfBoth(before, after))
    if (entry !== undefined) return `${name}: ${entry}`
  }
  return undefined
}

/**
 * "For each entry being changed in, or removed from, the users property, other than the sender's own entry: If the current
 * value is greater than or equal to the sender's current power level, reject. For each entry being added to, or changed
 * in, the users property: If the new value is greater than the sender's current power level, reject."
 */
function usersTooHigh(change: Change, sender: string): string | undefined {
  const [before, after] = mapsOf(change, 'users')
  const user = keysOfBoth(before, after).find((id) => {
    const current = levelIn(change, before, id)
    const wanted = levelIn(change, after, id)
    if (current === wanted) return false
    return (id !== sender && isAtLeast(current, change.level)) || isAbove(wanted, change.level)
  })
  return user === undefined ? undefined : `the level of ${user}`
}

function alterationTooHigh(
  change: Change,
  before: JsonObject,
  after: JsonObject,
  keys: readonly string[],
): string | undefined {
  return keys.find((key) => {
    const current = levelIn(change, before, key)
    const wanted = levelIn(change, after, key)
    return current !== wanted && (isAbove(current, change.level) || isAbove(wanted, change.level))
  })
}

function mapsOf(change: Change, name: string): readonly [before: JsonObject, after: JsonObject] {
  return [objectField(change.old, name) ?? {}, objectField(change.new, name) ?? {}]
}

function keysOfBoth(before: JsonObject, after: JsonObject): readonly string[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
}

/** The level of an entry; one that is absent or that the version cannot read is undefined. */
function levelIn(change: Change, object: JsonObject, key: string): number | undefined {
  return levelOf(change.rules, field(object, key))
}

function isAbove(value: number | undefined, level: number): boolean {
  return value !== undefined && value > level
}

function isAtLeast(value: number | undefined, level: number): boolean {
  return value !== undefined && value >= level
}
