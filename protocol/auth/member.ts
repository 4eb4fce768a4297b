// The rules for `m.room.member`: room versions v1.19, authorisation rule 5 (4 in v6 to v11). The signature of
// a restricted join's authorising server (rule 5.2) is checked by verifyAuthorisedJoin, for it needs keys.

import { isUserId } from '../ids/user-id.ts'
import { field } from '../json/types.ts'
import type { CheckedEvent } from './auth-event.ts'
import { checkInvite } from './invite.ts'
import { checkJoin } from './join.ts'
import { joinRuleIn, membershipIn, type RoomView } from './room-view.ts'
import { allow, reject, type Verdict } from './verdict.ts'

/** Judges a change of membership by what the event says that it shall be. */
export function checkMember(room: RoomView, event: CheckedEvent): Verdict {
  const membership = field(event.content, 'membership')
  const target = event.stateKey
  // "If there is no state_key property, or no membership property in content, reject."
  if (target === undefined || membership === undefined) {
    return reject('member.malformed', 'A membership event needs a state key and a membership.')
  }
  // NOTSPEC: the specification means a user by the state key and does not say what happens if it is none. Other servers reject.
  if (!isUserId(target))
    return reject('member.malformed', 'The state key of a membership event is a user id.')
  switch (membership) {
    case 'join':
      return checkJoin(room, event, target)
    case 'invite':
      return checkInvite(room, event, target)
    case 'leave':
      return checkLeave(room, event, target)
    case 'ban':
      return checkBan(room, event, target)
    case 'knock':
      // "If membership is knock". Since v7.
      if (room.rules.knocking) return checkKnock(room, event, target)
      break
    default:
  }
  // "Otherwise, the membership is unknown. Reject."
  return reject('member.unknown', 'The membership is not known in this room version.')
}

function checkLeave(room: RoomView, event: CheckedEvent, target: string): Verdict {
  const current = membershipIn(room, target)
  // "If the sender matches state_key, allow if and only if that user's current membership state is invite, join, or knock."
  // Knock since v7; before, nobody's membership can be that.
  if (event.sender === target) {
    const canLeave =
      current === 'invite' || current === 'join' || (room.rules.knocking && current === 'knock')
    return canLeave ? allow : reject('leave.membership', 'You are not in the room, invited or knocking.')
  }
  // "If the sender's current membership state is not join, reject."
  if (membershipIn(room, event.sender) !== 'join')
    return reject('kick.sender_not_joined', 'You are not in the room.')
  const level = room.levels.userLevel(event.sender)
  // "If the target user's current membership state is ban, and the sender's power level is less than the ban level, reject."
  if (current === 'ban' && level < room.levels.ban) {
    return reject('kick.banned', 'Your power level is too low to lift a ban.')
  }
  // "If the sender's power level is greater than or equal to the kick level, and the target user's power level is less than
  // the sender's power level, allow."
  if (level >= room.levels.kick && room.levels.userLevel(target) < level) return allow
  return reject('kick.level', 'Your power level is too low to remove this user.')
}

function checkBan(room: RoomView, event: CheckedEvent, target: string): Verdict {
  // "If the sender's current membership state is not join, reject."
  if (membershipIn(room, event.sender) !== 'join')
    return reject('ban.sender_not_joined', 'You are not in the room.')
  // "If the sender's power level is greater than or equal to the ban level, and the target user's power level is less than
  // the sender's power level, allow."
  const level = room.levels.userLevel(event.sender)
  if (level >= room.levels.ban && room.levels.userLevel(target) < level) return allow
  return reject('ban.level', 'Your power level is too low to ban this user.')
}

function checkKnock(room: RoomView, event: CheckedEvent, target: string): Verdict {
  // "If the join_rule is anything other than knock or knock_restricted, reject." The latter since v10.
  const rule = joinRuleIn(room)
  if (rule !== 'knock' && rule !== 'knock_restricted') {
    return reject('knock.not_allowed', 'The room does not accept knocks.')
  }
  // "If sender does not match state_key, reject."
  if (event.sender !== target) return reject('knock.sender', 'Nobody can knock for another.')
  // "If the sender's current membership is not ban, invite, or join, allow."
  const current = membershipIn(room, target)
  if (current !== 'ban' && current !== 'invite' && current !== 'join') return allow
  return reject('knock.membership', 'You are in the room, invited or banned.')
}
