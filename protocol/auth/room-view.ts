import type { UserId } from '../ids/user-id.ts'
import { creatorsOf } from '../events/read/create.ts'
import { joinRuleOf, type JoinRule } from '../events/read/join-rule.ts'
import { membershipOf, type Membership } from '../events/read/membership.ts'
import { readPowerLevels, type PowerLevels } from '../events/read/power-levels.ts'
import type { RoomVersionRules } from '../versions/rules.ts'
import type { AuthEvent, StateLookup } from './auth-event.ts'

/** A room's state as the rules ask for it. */
export interface RoomView {
  readonly rules: RoomVersionRules
  readonly create: AuthEvent
  /** The creators; the first one is the creator of the older versions' rules. */
  readonly creators: readonly UserId[]
  readonly levels: PowerLevels
  readonly lookup: StateLookup
}

/** The state that the lookup gives access to, its power levels read. */
export function viewRoom(rules: RoomVersionRules, create: AuthEvent, lookup: StateLookup): RoomView {
  const creators = creatorsOf(rules, create.sender, create.content)
  const levels = readPowerLevels(rules, lookup('m.room.power_levels', '')?.content, creators)
  return { rules, create, creators, levels, lookup }
}

/** The present membership of a user; `leave` without a membership event or with one that cannot be read. */
export function membershipIn(room: RoomView, user: string): Membership {
  const member = room.lookup('m.room.member', user)
  return (member && membershipOf(member.content)) ?? 'leave'
}

/** The present join rule, so far as the room version has it; otherwise undefined. */
export function joinRuleIn(room: RoomView): JoinRule | undefined {
  const rule = joinRuleOf(room.lookup('m.room.join_rules', '')?.content)
  if (rule === 'knock') return room.rules.knocking ? rule : undefined
  if (rule === 'restricted') return room.rules.restrictedJoin ? rule : undefined
  if (rule === 'knock_restricted') return room.rules.knockRestricted ? rule : undefined
  return rule
}
