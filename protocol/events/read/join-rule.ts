import { isRoomId, type RoomId } from '../../ids/room-id.ts'
import { field, isJsonObject, stringField, type JsonObject } from '../../json/types.ts'

/** The join rules that the specification knows. Client-server API v1.19, `m.room.join_rules`. */
export type JoinRule = 'invite' | 'knock' | 'knock_restricted' | 'private' | 'public' | 'restricted'

const joinRules: ReadonlySet<string> = new Set<JoinRule>([
  'invite',
  'knock',
  'knock_restricted',
  'private',
  'public',
  'restricted',
])

function isJoinRule(text: string): text is JoinRule {
  return joinRules.has(text)
}

/**
 * The join rule in the content of an `m.room.join_rules` event. Without the event, or without the field, it is `invite`;
 * with a rule that is not known it is undefined, and nobody can join by it.
 */
export function joinRuleOf(content: JsonObject | undefined): JoinRule | undefined {
  if (content === undefined || field(content, 'join_rule') === undefined) return 'invite'
  const rule = stringField(content, 'join_rule')
  return rule !== undefined && isJoinRule(rule) ? rule : undefined
}

/**
 * The rooms whose members may join under `restricted` and `knock_restricted`; other conditions and malformed entries are
 * skipped. Client-server API v1.19, `m.room.join_rules`.
 */
export function allowedRoomsOf(content: JsonObject): readonly RoomId[] {
  const allow = field(content, 'allow')
  if (!Array.isArray(allow)) return []
  return allow.flatMap((condition) => {
    if (!isJsonObject(condition) || field(condition, 'type') !== 'm.room_membership') return []
    const room = stringField(condition, 'room_id')
    return room !== undefined && isRoomId(room) ? [room] : []
  })
}
