import { isUserId, serverOf } from '../ids/user-id.ts'
import { serverOfRoomId } from '../ids/room-id.ts'
import { field, type JsonObject } from '../json/types.ts'
import type { RoomVersionRules } from '../versions/rules.ts'
import { rulesFor } from '../versions/table.ts'
import type { CheckedEvent } from './auth-event.ts'
import { allow, reject, type Verdict } from './verdict.ts'

/** The rules for `m.room.create`. Room versions v1.19, authorisation rule 1. */
export function checkCreate(rules: RoomVersionRules, event: CheckedEvent): Verdict {
  // "If it has any prev_events, reject."
  if (event.prevEvents.length > 0)
    return reject('create.prev_events', 'A create event has no previous events.')
  if (rules.roomIdIsCreateHash) {
    // "If the event has a room_id, reject." Since v12.
    if (event.roomId !== undefined)
      return reject('create.room_id', 'A create event of this version has no room id.')
  } else if (event.roomId === undefined || serverOfRoomId(event.roomId) !== serverOf(event.sender)) {
    // "If the domain of the room_id does not match the domain of the sender, reject." v1-v11.
    return reject('create.room_id', "The room id is not of the creator's server.")
  }
  // "If content.room_version is present and is not a recognised version, reject."
  const version = field(event.content, 'room_version')
  if (version !== undefined && (typeof version !== 'string' || rulesFor(version) === undefined)) {
    return reject('create.room_version', 'The room version is not known.')
  }
  // "If content has no creator property, reject." v1-v10.
  if (!rules.creatorIsSender && field(event.content, 'creator') === undefined) {
    return reject('create.creator_missing', 'The create event names no creator.')
  }
  // "If additional_creators is present in content and is not an array of strings where each string passes the same user ID
  // validation applied to sender, reject." Since v12.
  if (rules.privilegedCreators && !hasGoodCreators(event.content)) {
    return reject('create.additional_creators', 'The additional creators must be a list of user ids.')
  }
  // "Otherwise, allow."
  return allow
}

function hasGoodCreators(content: JsonObject): boolean {
  const additional = field(content, 'additional_creators')
  if (additional === undefined) return true
  return Array.isArray(additional) && additional.every((user) => typeof user === 'string' && isUserId(user))
}
