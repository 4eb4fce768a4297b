import { stringField } from '../json/types.ts'
import type { CheckedEvent } from './auth-event.ts'
import { joinRuleIn, membershipIn, type RoomView } from './room-view.ts'
import { allow, reject, type Verdict } from './verdict.ts'

/** The rules for `membership` `join`. Room versions v1.19, authorisation rule 5.3 (4.3 in v8 to v11). */
export function checkJoin(room: RoomView, event: CheckedEvent, target: string): Verdict {
  // "If the only previous event is an m.room.create and the state_key is the creator, allow."
  // Since v11: "… is the sender of the m.room.create".
  const [previous, another] = event.prevEvents
  if (previous === room.create.eventId && another === undefined && target === room.creators[0]) return allow
  // "If the sender does not match state_key, reject."
  if (event.sender !== target) return reject('join.sender', 'Nobody can join for another.')
  // "If the sender is banned, reject."
  const current = membershipIn(room, target)
  if (current === 'ban') return reject('join.banned', 'You are banned from the room.')
  const invited = current === 'invite' || current === 'join'
  switch (joinRuleIn(room)) {
    case 'invite':
    case 'knock':
      // "If the join_rule is invite or knock then allow if membership state is invite or join." Knock since v7.
      return invited ? allow : reject('join.not_invited', 'You are not invited to the room.')
    case 'restricted':
    case 'knock_restricted':
      // "If membership state is join or invite, allow." Since v8, knock_restricted since v10.
      return invited ? allow : checkRestrictedJoin(room, event)
    case 'public':
      // "If the join_rule is public, allow."
      return allow
    case 'private':
    case undefined:
      // "Otherwise, reject."
      return reject('join.not_allowed', 'The room cannot be joined.')
  }
}

function checkRestrictedJoin(room: RoomView, event: CheckedEvent): Verdict {
  // "If the join_authorised_via_users_server key in content is not a user with sufficient permission to invite other users
  // or is not a joined member of the room, reject."
  const authoriser = stringField(event.content, 'join_authorised_via_users_server')
  const isMember = authoriser !== undefined && membershipIn(room, authoriser) === 'join'
  if (!isMember || room.levels.userLevel(authoriser) < room.levels.invite) {
    return reject('join.not_authorised', 'The join is not authorised by a member who may invite.')
  }
  // "Otherwise, allow."
  return allow
}
