// The authorisation rules, whole: given an event and a state, is the event allowed? Every check stands under the
// sentence of the specification that it follows, with the room versions to which it applies where these are not all.

import { domainOfEventId, isEventId } from '../ids/event-id.ts'
import { serverOf } from '../ids/user-id.ts'
import { field } from '../json/types.ts'
import { createEventOfRoom } from '../events/hash.ts'
import type { RoomVersionRules } from '../versions/rules.ts'
import type { AuthEvent, CheckedEvent, StateLookup } from './auth-event.ts'
import { checkCreate } from './create.ts'
import { checkMember } from './member.ts'
import { checkPowerLevels } from './power-levels.ts'
import { membershipIn, viewRoom, type RoomView } from './room-view.ts'
import { allow, reject, type Verdict } from './verdict.ts'

/**
 * Judges an event by a state: that of its auth events, that before it, or the present one. In every version the lookup
 * must know the room's create event, also where it is not among the auth events. What needs more than the state is
 * checked by checkAuthEventsList (rule on `auth_events`) and verifyAuthorisedJoin (signature of a restricted join).
 * Room versions v1.19, "Authorisation rules".
 */
export function checkAuth(rules: RoomVersionRules, event: CheckedEvent, lookup: StateLookup): Verdict {
  if (event.type === 'm.room.create') return checkCreate(rules, event)
  const create = lookup('m.room.create', '')
  if (create === undefined) return reject('room.create_missing', 'The room has no create event.')
  // "If the event's room_id is not an event ID for an accepted (not rejected) m.room.create event, with the sigil ! instead
  // of $, reject." Since v12.
  if (rules.roomIdIsCreateHash && !isRoomOf(event, create)) {
    return reject('room.other_create', 'The room id does not belong to the create event.')
  }
  // "If the content of the m.room.create event in the room state has the property m.federate set to false, and the sender
  // domain of the event does not match the sender domain of the create event, reject."
  if (field(create.content, 'm.federate') === false && serverOf(event.sender) !== serverOf(create.sender)) {
    return reject('federate', 'The room is not open to other servers.')
  }
  // "If type is m.room.aliases". v1-v5.
  if (rules.aliasesSpecialCase && event.type === 'm.room.aliases') return checkAliases(event)
  const room = viewRoom(rules, create, lookup)
  if (event.type === 'm.room.member') return checkMember(room, event)
  return checkOther(room, event)
}

function isRoomOf(event: CheckedEvent, create: AuthEvent): boolean {
  return event.roomId !== undefined && createEventOfRoom(event.roomId) === create.eventId
}

function checkAliases(event: CheckedEvent): Verdict {
  // "If event has no state_key, reject."
  if (event.stateKey === undefined) return reject('aliases.state_key', 'The event needs a state key.')
  // "If sender's domain doesn't match state_key, reject."
  if (serverOf(event.sender) !== event.stateKey)
    return reject('aliases.domain', 'The aliases are not of your server.')
  return allow
}

/** The rules for everything that is neither creation nor membership. */
function checkOther(room: RoomView, event: CheckedEvent): Verdict {
  // "If the sender's current membership state is not join, reject."
  if (membershipIn(room, event.sender) !== 'join')
    return reject('sender_not_joined', 'You are not in the room.')
  const level = room.levels.userLevel(event.sender)
  // "If type is m.room.third_party_invite: Allow if and only if sender's current power level is greater than or equal to
  // the invite level."
  if (event.type === 'm.room.third_party_invite') {
    return level >= room.levels.invite
      ? allow
      : reject('third_party_invite.level', 'Your power level is too low to invite.')
  }
  // "If the event type's required power level is greater than the sender's power level, reject."
  const required = room.levels.eventLevel(event.type, event.stateKey !== undefined)
  if (required > level) {
    return reject('event.level', `Your power level is too low to send ${event.type}: ${required} is needed.`)
  }
  // "If the event has a state_key that starts with an @ and does not match the sender, reject."
  if (event.stateKey !== undefined && event.stateKey.startsWith('@') && event.stateKey !== event.sender) {
    return reject('state_key.sender', 'A state key that is a user id must be your own.')
  }
  if (event.type === 'm.room.power_levels') return checkPowerLevels(room, event)
  // "If type is m.room.redaction". v1-v2.
  if (room.rules.redactionInAuthRules && event.type === 'm.room.redaction') return checkRedaction(room, event)
  // "Otherwise, allow."
  return allow
}

function checkRedaction(room: RoomView, event: CheckedEvent): Verdict {
  // "If the sender's power level is greater than or equal to the redact level, allow."
  if (room.levels.userLevel(event.sender) >= room.levels.redact) return allow
  // "If the domain of the event_id of the event being redacted is the same as the domain of the event_id of the
  // m.room.redaction, allow."
  const target = event.redacts
  const domain = domainOfEventId(event.eventId)
  if (target !== undefined && isEventId(target) && domain !== undefined && domainOfEventId(target) === domain)
    return allow
  // "Otherwise, reject."
  return reject('redaction', 'Your power level is too low to redact this event.')
}
