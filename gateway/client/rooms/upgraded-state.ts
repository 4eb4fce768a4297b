/**
 * State of a room that is upgraded, as the version of its successor says it: versions differ in how levels are written, in where the power of
 * creators comes from, and in the join rules they have.
 */

import { levelDefaults, levelOf } from '#protocol/events/read/power-levels.ts'
import { joinRuleOf, type JoinRule } from '#protocol/events/read/join-rule.ts'
import { isUserId, type UserId } from '#protocol/ids/user-id.ts'
import { field, objectField, type JsonObject } from '#protocol/json/types.ts'
import type { RoomVersionRules } from '#protocol/versions/rules.ts'

/** One side of an upgrade. */
export interface RoomSide {
  readonly rules: RoomVersionRules
  /** The creators of the room, the first one first. */
  readonly creators: readonly UserId[]
}

const adminLevel = 100
const singleLevels: readonly string[] = Object.keys(levelDefaults)
const levelMaps = ['events', 'notifications', 'users']

/**
 * The power levels of the new room. All levels are integers, as version 10 demands. Creators must not be named from version 12 on; before it they
 * must be: those whose power stood above all levels get the highest one that is named, so that what they could do they can do.
 */
export function upgradedLevels(content: JsonObject, old: RoomSide, next: RoomSide): JsonObject {
  const levels = integerLevels(old.rules, content)
  const users = { ...objectField(levels, 'users') }
  if (next.rules.privilegedCreators) {
    for (const creator of next.creators) delete users[creator]
    return { ...levels, users }
  }
  const [creator] = next.creators
  if (creator !== undefined) users[creator] ??= adminLevel
  if (old.rules.privilegedCreators) {
    const top = highestLevel(levels)
    for (const user of old.creators) users[user] = top
  }
  return { ...levels, users }
}

/** The content with every level as an integer, and without those that the version of the room could not read. */
function integerLevels(rules: RoomVersionRules, content: JsonObject): JsonObject {
  const rest = Object.entries(content).filter(
    ([key]) => !singleLevels.includes(key) && !levelMaps.includes(key),
  )
  const maps = levelMaps.flatMap((name) => {
    const map = objectField(content, name)
    if (map === undefined) return []
    return [[name, readLevels(rules, map, name === 'users' ? isUserId : () => true)] as const]
  })
  const singles = readLevels(rules, content, (name) => singleLevels.includes(name))
  return { ...Object.fromEntries(rest), ...singles, ...Object.fromEntries(maps) }
}

function readLevels(
  rules: RoomVersionRules,
  object: JsonObject,
  isWanted: (key: string) => boolean,
): Record<string, number> {
  const read = Object.entries(object).flatMap(([key, value]) => {
    const level = isWanted(key) ? levelOf(rules, value) : undefined
    return level === undefined ? [] : [[key, level] as const]
  })
  return Object.fromEntries(read)
}

function highestLevel(levels: JsonObject): number {
  const named = [levels, ...levelMaps.map((name) => objectField(levels, name) ?? {})]
  const numbers = named.flatMap((object) =>
    Object.values(object).filter((value) => typeof value === 'number'),
  )
  return Math.max(adminLevel, ...numbers)
}

/** The join rules of the new room: the nearest that its version has and that lets in nobody else. */
export function upgradedJoinRules(rules: RoomVersionRules, content: JsonObject): JsonObject {
  const rule = joinRuleOf(content)
  const next = rule === undefined ? undefined : nearestRule(rules, rule)
  return next === undefined || next === field(content, 'join_rule')
    ? content
    : { ...content, join_rule: next }
}

function nearestRule(rules: RoomVersionRules, rule: JoinRule): JoinRule {
  switch (rule) {
    case 'knock_restricted':
      if (rules.knockRestricted) return rule
      return nearestRule(rules, rules.restrictedJoin ? 'restricted' : 'knock')
    case 'restricted':
      return rules.restrictedJoin ? rule : 'invite'
    case 'knock':
      return rules.knocking ? rule : 'invite'
    case 'invite':
    case 'private':
    case 'public':
      return rule
  }
}
