// Reading of power levels. A remote event is kept as received, so every level is read by itself, and a field that
// cannot be read counts as absent.

import type { UserId } from '../../ids/user-id.ts'
import { field, objectField, type JsonObject, type JsonValue } from '../../json/types.ts'
import type { RoomVersionRules } from '../../versions/rules.ts'

/** The single levels with what they are when absent. Client-server API v1.19, `m.room.power_levels`. */
export const levelDefaults = {
  users_default: 0,
  events_default: 0,
  state_default: 50,
  ban: 50,
  redact: 50,
  kick: 50,
  invite: 0,
} as const

/** A field of power levels that is a single level. */
export type LevelField = keyof typeof levelDefaults

/** The power levels of a room, ready to be asked. */
export interface PowerLevels {
  readonly ban: number
  readonly kick: number
  readonly invite: number
  readonly redact: number
  /**
   * The level of a user; `Infinity` for the creators of a room of version 12. Takes any string, since the state key of a
   * remote membership event need not be a user id.
   */
  userLevel(user: string): number
  /** The level that is needed to send an event of this type, as a state event or as a message. */
  eventLevel(type: string, isState: boolean): number
  /** The level that is needed to notify by this key, such as `room`. */
  notificationLevel(key: string): number
}

const stringLevel = /^\s*[+-]?[0-9]+\s*$/
const defaultNotificationLevel = 50
const creatorLevelWithoutEvent = 100

/**
 * A level as the room version reads it: an integer, before version 10 also a string of one or a float to be truncated.
 * Undefined for everything else. Room versions v1.19, "m.room.power_levels events accept values as strings", "… as floats".
 */
export function levelOf(rules: RoomVersionRules, value: JsonValue | undefined): number | undefined {
  if (typeof value === 'number') {
    if (Number.isSafeInteger(value)) return value
    return rules.strictCanonicalJson || !Number.isFinite(value) ? undefined : Math.trunc(value)
  }
  if (rules.integerPowerLevels || typeof value !== 'string' || !stringLevel.test(value)) return undefined
  const level = Number.parseInt(value.trim(), 10)
  return Number.isSafeInteger(level) ? level : undefined
}

/**
 * The power levels that the content of an `m.room.power_levels` event states, or those of a room without the event.
 * `creators` are those of the create event (`creatorsOf`).
 */
export function readPowerLevels(
  rules: RoomVersionRules,
  content: JsonObject | undefined,
  creators: readonly UserId[],
): PowerLevels {
  const single = (name: LevelField): number => levelIn(rules, content, name) ?? levelDefaults[name]
  const isCreator = (user: string): boolean => creators.some((creator) => creator === user)
  const users = content && objectField(content, 'users')
  const events = content && objectField(content, 'events')
  const notifications = content && objectField(content, 'notifications')
  return {
    ban: single('ban'),
    kick: single('kick'),
    invite: single('invite'),
    redact: single('redact'),
    userLevel(user) {
      if (rules.privilegedCreators && isCreator(user)) return Number.POSITIVE_INFINITY
      if (content === undefined)
        return isCreator(user) ? creatorLevelWithoutEvent : levelDefaults.users_default
      return levelIn(rules, users, user) ?? single('users_default')
    },
    eventLevel(type, isState) {
      return levelIn(rules, events, type) ?? single(isState ? 'state_default' : 'events_default')
    },
    notificationLevel(key) {
      return levelIn(rules, notifications, key) ?? defaultNotificationLevel
    },
  }
}

function levelIn(rules: RoomVersionRules, object: JsonObject | undefined, key: string): number | undefined {
  return object === undefined ? undefined : levelOf(rules, field(object, key))
}
