import { isRoomId, type RoomId } from '../../ids/room-id.ts'
import { isUserId, type UserId } from '../../ids/user-id.ts'
import { field, objectField, stringField, type JsonObject } from '../../json/types.ts'
import type { RoomVersionRules } from '../../versions/rules.ts'

/** What a create event says about its room. Client-server API v1.19, `m.room.create`. */
export interface CreateInfo {
  /** All creators: the sender (or `content.creator` before version 11), and from version 12 on the additional ones. */
  readonly creators: readonly UserId[]
  /** False if only users of the creator's server may take part. */
  readonly federate: boolean
  /** The room type, such as `m.space`. */
  readonly roomType: string | undefined
  /** The room that this one replaces. */
  readonly predecessor: RoomId | undefined
}

/** The version that the content of a create event names; `1` if it names none, undefined if the value is no string. */
export function roomVersionOf(content: JsonObject): string | undefined {
  const version = field(content, 'room_version')
  if (version === undefined) return '1'
  return typeof version === 'string' ? version : undefined
}

/** What the create event says, by the rules of its room version. */
export function createOf(rules: RoomVersionRules, sender: UserId, content: JsonObject): CreateInfo {
  const predecessor = objectField(content, 'predecessor')
  const oldRoom = predecessor === undefined ? undefined : stringField(predecessor, 'room_id')
  return {
    creators: creatorsOf(rules, sender, content),
    federate: field(content, 'm.federate') !== false,
    roomType: stringField(content, 'type'),
    predecessor: oldRoom !== undefined && isRoomId(oldRoom) ? oldRoom : undefined,
  }
}

/** The creators that the create event names, the first one first; empty if an old create event names none that is valid. */
export function creatorsOf(rules: RoomVersionRules, sender: UserId, content: JsonObject): readonly UserId[] {
  if (!rules.creatorIsSender) {
    const creator = stringField(content, 'creator')
    return creator !== undefined && isUserId(creator) ? [creator] : []
  }
  if (!rules.privilegedCreators) return [sender]
  const additional = field(content, 'additional_creators')
  if (!Array.isArray(additional)) return [sender]
  return [sender, ...additional.filter((user): user is UserId => typeof user === 'string' && isUserId(user))]
}
