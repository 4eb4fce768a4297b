/** Rooms with forks that follow from a number: the same number gives the same room. */
import { parseUserId, type UserId } from '../ids/user-id.ts'
import type { JsonObject } from '../json/types.ts'
import type { RoomVersionRules } from '../versions/rules.ts'
import { RoomGraph, type EventDraft, type GraphEvent } from './room-fixture.ts'
import type { NodeId } from './trie-node.ts'

/** Numbers that look random and follow from a seed. */
export interface Dice {
  /** An integer from 0 to below `limit`. */
  below(limit: number): number
  /** True with this probability. */
  chance(probability: number): boolean
  pick<T>(items: readonly T[]): T
}

/** Dice by the Mulberry32 generator. */
export function seededDice(seed: number): Dice {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return {
    below: (limit) => Math.floor(next() * limit),
    chance: (probability) => next() < probability,
    pick: <T>(items: readonly T[]): T => {
      if (items.length === 0) throw new RangeError('There is nothing to pick from.')
      // The cast is sound: the index is below the length.
      return items[Math.floor(next() * items.length)] as T
    },
  }
}

const creator = parseUserId('@creator:a.org')
const people: readonly UserId[] = [
  creator,
  ...['@ann:a.org', '@ben:b.org', '@cat:b.org', '@dan:c.org', '@eve:c.org'].map(parseUserId),
]

/** A room that has forked, with the ends of its branches. */
export interface ForkedRoom {
  readonly room: RoomGraph
  readonly tips: readonly GraphEvent[]
}

/** The room of a seed: a common beginning, then branches on which `steps` changes are tried, and now and then a merge. */
export function forkedRoom(rules: RoomVersionRules, seed: number, steps: number): ForkedRoom {
  const dice = seededDice(seed)
  const room = new RoomGraph(rules)
  begin(room, dice)
  const start = room.events.at(-1)
  if (start === undefined) throw new RangeError('The room is empty.')
  const tips = Array.from({ length: 2 + dice.below(3) }, () => start)
  for (let step = 0; step < steps; step++) {
    const at = dice.below(tips.length)
    const tip = tips[at]
    const other = tips[dice.below(tips.length)]
    if (tip === undefined || other === undefined) continue
    const after = dice.chance(0.1) && other !== tip ? [tip, other] : [tip]
    const event = room.tryAdd({ ...randomChange(rules, dice), after })
    if (event !== undefined) tips[at] = event
  }
  return { room, tips: [...new Set(tips)] }
}

/** The states after these events, in which some entries are older than what the events refer to, as a wrong answer of another server can make them. */
export function outdatedStates(room: RoomGraph, tips: readonly GraphEvent[], dice: Dice): readonly NodeId[] {
  return tips.map((tip) => {
    const entries = [...room.entries(tip.after).values()].map((entry) => {
      const older = room.events.filter(
        (event) =>
          event.number < entry.number && event.type === entry.type && event.stateKey === entry.stateKey,
      )
      return older.length > 0 && dice.chance(0.3) ? dice.pick(older) : entry
    })
    return room.stateOf(entries)
  })
}

function begin(room: RoomGraph, dice: Dice): void {
  const { rules } = room
  const additional =
    rules.privilegedCreators && dice.chance(0.3) ? { additional_creators: ['@ann:a.org'] } : {}
  const content = { room_version: rules.id, creator, ...additional }
  const drafts: EventDraft[] = [
    { type: 'm.room.create', stateKey: '', sender: creator, content },
    member(creator, creator, 'join'),
  ]
  if (dice.chance(0.8)) drafts.push(powerLevels(rules, dice, creator))
  drafts.push({ type: 'm.room.join_rules', stateKey: '', sender: creator, content: { join_rule: 'public' } })
  for (const draft of drafts) room.tryAdd({ ...draft, originServerTs: 1_000 + dice.below(5) })
  for (const who of people.slice(1)) if (dice.chance(0.7)) room.tryAdd(member(who, who, 'join'))
}

function member(sender: UserId, target: UserId, membership: string): EventDraft {
  return { type: 'm.room.member', stateKey: target, sender, content: { membership } }
}

/** A change by somebody who may or may not be allowed to make it. Times lie so close together that many are equal. */
function randomChange(rules: RoomVersionRules, dice: Dice): EventDraft {
  const sender = dice.pick([creator, creator, ...people])
  return { ...changeBy(rules, dice, sender), originServerTs: 2_000 + dice.below(40) }
}

function changeBy(rules: RoomVersionRules, dice: Dice, sender: UserId): EventDraft {
  const target = dice.pick(people)
  switch (dice.below(10)) {
    case 0:
    case 1:
      return powerLevels(rules, dice, sender)
    case 2: {
      const join_rule = dice.pick(['public', 'invite', 'knock', 'restricted', 'knock_restricted'])
      return { type: 'm.room.join_rules', stateKey: '', sender, content: { join_rule } }
    }
    case 3:
      return member(sender, target, 'ban')
    case 4:
      return member(sender, target, 'leave')
    case 5:
      return member(sender, target, 'invite')
    case 6:
      return member(target, target, dice.pick(['join', 'leave', 'knock']))
    case 7: {
      const content = { membership: 'join', join_authorised_via_users_server: sender }
      return { ...member(target, target, 'join'), content }
    }
    case 8:
      return { type: 'm.room.message', sender, content: { body: String(dice.below(100)) } }
    default: {
      const type = dice.pick(['m.room.topic', 'm.room.name', 'org.example.state'])
      return { type, stateKey: '', sender, content: { value: dice.below(1000) } }
    }
  }
}

function powerLevels(rules: RoomVersionRules, dice: Dice, sender: UserId): EventDraft {
  const levels: Record<string, number> = {}
  for (const user of people) {
    if (rules.privilegedCreators && user === creator) continue
    if (user === creator || dice.chance(0.4)) levels[user] = dice.pick([0, 50, 50, 100, 100])
  }
  if (!rules.privilegedCreators && dice.chance(0.9)) levels[creator] = 100
  const content: JsonObject = {
    users: levels,
    ...(dice.chance(0.3) ? { invite: dice.pick([0, 50]) } : {}),
    ...(dice.chance(0.3) ? { state_default: dice.pick([0, 50]) } : {}),
    ...(dice.chance(0.3) ? { events: { 'm.room.topic': dice.pick([0, 50, 100]) } } : {}),
  }
  return { type: 'm.room.power_levels', stateKey: '', sender, content }
}
