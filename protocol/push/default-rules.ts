/**
 * The server-default push rules. Client-server API v1.19, "Predefined Rules".
 *
 * They are the same for everybody but for the user's own id in two conditions. The shared definitions hold a
 * placeholder there, so that one compiled copy serves all users who have changed nothing.
 */
import type { UserId } from '../ids/user-id.ts'
import type { Action, PushCondition, PushRule, RuleKind, Ruleset } from './rule-types.ts'

/** Stands for the id of the rules' owner. No user id contains a NUL. */
export const ownerPlaceholder = '\0owner'

/** The id of the rule that, enabled, turns all notifications off; it goes before the user's own rules. */
export const masterRuleId = '.m.rule.master'

const highlight: Action = { set_tweak: 'highlight' }
const defaultSound: Action = { set_tweak: 'sound', value: 'default' }

/** The default rules by kind in descending priority, with the placeholder for the owner's id. */
export const defaultRuleDefinitions: Ruleset = deepFreeze({
  override: [
    { ...rule('master', [], []), enabled: false },
    rule('suppress_notices', [eventMatch('content.msgtype', 'm.notice')], []),
    rule(
      'invite_for_me',
      [
        eventMatch('type', 'm.room.member'),
        eventMatch('content.membership', 'invite'),
        eventMatch('state_key', ownerPlaceholder),
      ],
      ['notify', defaultSound],
    ),
    rule('member_event', [eventMatch('type', 'm.room.member')], []),
    rule(
      'is_user_mention',
      [{ kind: 'event_property_contains', key: 'content.m\\.mentions.user_ids', value: ownerPlaceholder }],
      ['notify', defaultSound, highlight],
    ),
    rule(
      'is_room_mention',
      [
        { kind: 'event_property_is', key: 'content.m\\.mentions.room', value: true },
        { kind: 'sender_notification_permission', key: 'room' },
      ],
      ['notify', highlight],
    ),
    rule(
      'tombstone',
      [eventMatch('type', 'm.room.tombstone'), eventMatch('state_key', '')],
      ['notify', highlight],
    ),
    rule('reaction', [eventMatch('type', 'm.reaction')], []),
    rule('room.server_acl', [eventMatch('type', 'm.room.server_acl'), eventMatch('state_key', '')], []),
    rule(
      'suppress_edits',
      [{ kind: 'event_property_is', key: 'content.m\\.relates_to.rel_type', value: 'm.replace' }],
      [],
    ),
  ],
  content: [],
  room: [],
  sender: [],
  underride: [
    rule('call', [eventMatch('type', 'm.call.invite')], ['notify', { set_tweak: 'sound', value: 'ring' }]),
    rule(
      'encrypted_room_one_to_one',
      [{ kind: 'room_member_count', is: '2' }, eventMatch('type', 'm.room.encrypted')],
      ['notify', defaultSound],
    ),
    rule(
      'room_one_to_one',
      [{ kind: 'room_member_count', is: '2' }, eventMatch('type', 'm.room.message')],
      ['notify', defaultSound],
    ),
    rule('message', [eventMatch('type', 'm.room.message')], ['notify']),
    rule('encrypted', [eventMatch('type', 'm.room.encrypted')], ['notify']),
  ],
})

/** The rules of a user who has changed nothing. What does not name him is shared, and all of it is frozen. */
export function defaultRules(userId: UserId): Ruleset {
  return {
    ...defaultRuleDefinitions,
    override: defaultRuleDefinitions.override.map((item) => ownRule(item, userId)),
  }
}

/** The default rule of this kind and id, or undefined. */
export function findDefaultRule(kind: RuleKind, ruleId: string): PushRule | undefined {
  return defaultRuleDefinitions[kind].find((item) => item.rule_id === ruleId)
}

/** A default rule with the owner's id in place of the placeholder; the same object when it has none. */
export function ownRule(shared: PushRule, userId: UserId): PushRule {
  if (shared.conditions === undefined || !shared.conditions.some(namesOwner)) return shared
  const conditions = shared.conditions.map((condition) => {
    if (condition['pattern'] === ownerPlaceholder) return { ...condition, pattern: userId }
    return condition['value'] === ownerPlaceholder ? { ...condition, value: userId } : condition
  })
  return deepFreeze({ ...shared, conditions })
}

function namesOwner(condition: PushCondition): boolean {
  return condition['pattern'] === ownerPlaceholder || condition['value'] === ownerPlaceholder
}

function rule(name: string, conditions: readonly PushCondition[], actions: readonly Action[]): PushRule {
  return { rule_id: `.m.rule.${name}`, default: true, enabled: true, conditions, actions }
}

function eventMatch(key: string, pattern: string): PushCondition {
  return { kind: 'event_match', key, pattern }
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null)
    for (const part of Object.values(Object.freeze(value))) deepFreeze(part)
  return value
}
