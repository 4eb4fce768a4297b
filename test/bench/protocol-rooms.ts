/** Large rooms with forks, for measuring the resolution of their states. The same call gives the same room. */

import { parseUserId, type UserId } from '#protocol/ids/user-id.ts'
import { seededDice, type Dice } from '#protocol/state/random-room-fixture.ts'
import { RoomGraph, type EventDraft, type GraphEvent } from '#protocol/state/room-fixture.ts'
import type { RoomVersionRules } from '#protocol/versions/rules.ts'

/** The members of the room that all forks begin from. */
export const memberCount = 10_000

const creator = parseUserId('@creator:a.org')
const moderatorCount = 20
const members: readonly UserId[] = Array.from({ length: memberCount - 1 }, (_, i) =>
  parseUserId(`@user${i}:server${i % 200}.example`),
)

/** A room that has forked, and where its two branches end. */
export interface Fork {
  readonly room: RoomGraph
  readonly tips: readonly [GraphEvent, GraphEvent]
}

/** A public room with this many members, twenty of them moderators. Every member has joined by himself. */
export function largeRoom(rules: RoomVersionRules): RoomGraph {
  const room = new RoomGraph(rules)
  const content = { room_version: rules.id, creator }
  room.add({ type: 'm.room.create', stateKey: '', sender: creator, content })
  room.add(member(creator, creator, 'join'))
  room.add(powerLevels(rules, 50))
  room.add({ type: 'm.room.join_rules', stateKey: '', sender: creator, content: { join_rule: 'public' } })
  for (const user of members) room.add(member(user, user, 'join'))
  return room
}

/** Adds a fork on both sides of which the same two members change their profile. */
export function smallFork(room: RoomGraph): Fork {
  const [ann, ben] = members.slice(100, 102)
  if (ann === undefined || ben === undefined) throw new RangeError('The room is too small.')
  const start = lastOf(room)
  const side = (name: string): GraphEvent =>
    [ann, ben].reduce((tip, user) => room.add({ ...profile(user, name), after: [tip] }), start)
  return { room, tips: [side('left'), side('right')] }
}

/**
 * Adds a fork with this many state events, half of them on each side: mostly changes of membership by members who act on
 * both sides, some of them removals and bans by moderators, some changes of power levels and join rules, some other state.
 */
export function mixedFork(room: RoomGraph, events: number, seed: number): Fork {
  const start = lastOf(room)
  const dice = seededDice(seed)
  const active = Array.from({ length: events }, () => dice.pick(members))
  const side = (name: string): GraphEvent => {
    let tip = start
    for (let made = 0; made < events / 2;) {
      const event = room.tryAdd({ ...change(room.rules, dice, { active, name }), after: [tip] })
      if (event === undefined) continue
      tip = event
      made++
    }
    return tip
  }
  return { room, tips: [side('left'), side('right')] }
}

function lastOf(room: RoomGraph): GraphEvent {
  const last = room.events.findLast((event) => event.type === 'm.room.member')
  if (last === undefined) throw new RangeError('The room is empty.')
  return last
}

interface Side {
  readonly active: readonly UserId[]
  readonly name: string
}

function change(rules: RoomVersionRules, dice: Dice, { active, name }: Side): EventDraft {
  const user = dice.pick(active)
  const moderator = dice.chance(0.3) ? creator : dice.pick(members.slice(0, moderatorCount))
  const roll = dice.below(100)
  if (roll < 40) return profile(user, `${name} ${roll}`)
  if (roll < 60) return member(user, user, 'leave')
  if (roll < 75) return member(user, user, 'join')
  if (roll < 80) return member(moderator, user, 'leave')
  if (roll < 85) return member(moderator, user, 'ban')
  if (roll < 88) return powerLevels(rules, 50 + dice.below(3))
  if (roll < 90) {
    const join_rule = dice.chance(0.8) ? 'public' : 'invite'
    return { type: 'm.room.join_rules', stateKey: '', sender: creator, content: { join_rule } }
  }
  const stateKey = `${name} ${dice.below(200)}`
  return { type: 'org.example.state', stateKey, sender: creator, content: { roll } }
}

function member(sender: UserId, target: UserId, membership: string): EventDraft {
  return { type: 'm.room.member', stateKey: target, sender, content: { membership } }
}

function profile(user: UserId, displayname: string): EventDraft {
  return {
    type: 'm.room.member',
    stateKey: user,
    sender: user,
    content: { membership: 'join', displayname },
  }
}

function powerLevels(rules: RoomVersionRules, ban: number): EventDraft {
  const users: Record<string, number> = Object.fromEntries(
    members.slice(0, moderatorCount).map((user) => [user, 60]),
  )
  if (!rules.privilegedCreators) users[creator] = 100
  return { type: 'm.room.power_levels', stateKey: '', sender: creator, content: { users, ban } }
}
