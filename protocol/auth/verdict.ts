/** The authorisation rules by which an event can be rejected, named by what they are about. */
export type RuleId =
  | 'aliases.domain'
  | 'aliases.state_key'
  | 'auth_events.duplicate'
  | 'auth_events.no_create'
  | 'auth_events.other_room'
  | 'auth_events.rejected'
  | 'auth_events.unexpected'
  | 'ban.level'
  | 'ban.sender_not_joined'
  | 'create.additional_creators'
  | 'create.creator_missing'
  | 'create.prev_events'
  | 'create.room_id'
  | 'create.room_version'
  | 'event.level'
  | 'federate'
  | 'invite.level'
  | 'invite.sender_not_joined'
  | 'invite.target_banned'
  | 'invite.target_joined'
  | 'invite.third_party'
  | 'join.authoriser_signature'
  | 'join.banned'
  | 'join.not_allowed'
  | 'join.not_authorised'
  | 'join.not_invited'
  | 'join.sender'
  | 'kick.banned'
  | 'kick.level'
  | 'kick.sender_not_joined'
  | 'knock.membership'
  | 'knock.not_allowed'
  | 'knock.sender'
  | 'leave.membership'
  | 'member.malformed'
  | 'member.unknown'
  | 'power_levels.creator'
  | 'power_levels.malformed'
  | 'power_levels.too_high'
  | 'redaction'
  | 'room.create_missing'
  | 'room.other_create'
  | 'sender_not_joined'
  | 'state_key.sender'
  | 'third_party_invite.level'

/** Whether an event is authorised; if not, the rule that rejects it and a sentence for people. */
export type Verdict =
  | { readonly ok: true }
  | { readonly ok: false; readonly rule: RuleId; readonly why: string }

/** The verdict that an event is authorised. */
export const allow: Verdict = { ok: true }

/** The verdict that a rule rejects an event. */
export function reject(rule: RuleId, why: string): Verdict {
  return { ok: false, rule, why }
}
