// The worked cases of MSC1442 (State Resolution: Reloaded) and MSC4297 (State Resolution v2.1), and those that every
// implementation is measured by.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseUserId } from '../ids/user-id.ts'
import type { UserId } from '../ids/user-id.ts'
import { rulesFor } from '../versions/table.ts'
import { RoomGraph, type EventDraft, type GraphEvent } from './room-fixture.ts'
import type { NodeId } from './trie-node.ts'

const alice = parseUserId('@alice:a.org')
const bob = parseUserId('@bob:b.org')
const charlie = parseUserId('@charlie:c.org')
const eve = parseUserId('@eve:e.org')
const root = parseUserId('@root:a.org')

const member = (sender: UserId, target: UserId, membership: string): EventDraft => ({
  type: 'm.room.member',
  stateKey: target,
  sender,
  content: { membership },
})
const levels = (
  sender: UserId,
  users: Record<string, number>,
  rest: Record<string, number> = {},
): EventDraft => ({
  type: 'm.room.power_levels',
  stateKey: '',
  sender,
  content: { users, ...rest },
})
const joinRule = (sender: UserId, rule: string): EventDraft => ({
  type: 'm.room.join_rules',
  stateKey: '',
  sender,
  content: { join_rule: rule },
})
const topic = (sender: UserId, text: string): EventDraft => ({
  type: 'm.room.topic',
  stateKey: '',
  sender,
  content: { topic: text },
})

/** A room made by `root`, in which Alice has 100 and everybody may join. */
function openRoom(version: string): RoomGraph {
  const rules = rulesFor(version)
  assert.ok(rules !== undefined)
  const room = new RoomGraph(rules)
  room.add({
    type: 'm.room.create',
    stateKey: '',
    sender: root,
    content: { creator: root, room_version: version },
  })
  room.add(member(root, root, 'join'))
  room.add(levels(root, { ...(rules.privilegedCreators ? {} : { [root]: 100 }), [alice]: 100 }))
  room.add(joinRule(root, 'public'))
  room.add(member(alice, alice, 'join'))
  return room
}

function usersIn(room: RoomGraph, users: Record<string, number>): Record<string, number> {
  return room.rules.privilegedCreators ? users : { [root]: 100, ...users }
}

/** Adds a chain of events after one, and gives its last. */
function branch(room: RoomGraph, after: GraphEvent, drafts: readonly EventDraft[]): GraphEvent {
  return drafts.reduce((tip, draft) => room.add({ ...draft, after: [tip] }), after)
}

function entry(room: RoomGraph, state: NodeId, type: string, stateKey = ''): GraphEvent | undefined {
  return room.entries(state).get(JSON.stringify([type, stateKey]))
}

function topicOf(room: RoomGraph, state: NodeId): unknown {
  return entry(room, state, 'm.room.topic')?.content['topic']
}

function membershipOf(room: RoomGraph, state: NodeId, user: UserId): unknown {
  return entry(room, state, 'm.room.member', user)?.content['membership']
}

const v2Versions = ['2', '3', '6', '9', '10', '11', '12']

for (const version of v2Versions) {
  describe(`state resolution in version ${version}`, () => {
    it('orders topics along the mainline of the power levels (MSC1442, example 1)', () => {
      const room = openRoom(version)
      room.add(member(bob, bob, 'join'))
      const p1 = room.add(levels(alice, usersIn(room, { [alice]: 100, [bob]: 50 })))
      const first = branch(room, p1, [topic(alice, 'two')])
      const p2 = branch(room, first, [levels(alice, usersIn(room, { [alice]: 100, [bob]: 0 }))])
      const third = branch(room, p1, [
        levels(bob, usersIn(room, { [alice]: 100, [bob]: 50, [charlie]: 50 })),
        topic(bob, 'three'),
      ])
      const merged = room.stateAfterAll([p2, third])
      assert.equal(entry(room, merged, 'm.room.power_levels'), p2)
      assert.equal(topicOf(room, merged), 'two')
      const message: EventDraft = { type: 'm.room.message', sender: alice, content: {} }
      const second = room.add({ ...message, after: [p2, third] })
      const fourth = branch(room, p2, [{ ...topic(alice, 'four'), originServerTs: 1 }])
      // Where the checks start from the empty state there is no mainline without conflicting power events, and time decides.
      const startsEmpty = room.rules.stateResolution === 'v2.1'
      assert.equal(topicOf(room, room.stateAfterAll([second, fourth])), startsEmpty ? 'two' : 'four')
    })

    it('takes up an event that was rejected by the state but passes in the resolution (MSC1442, example 2)', () => {
      const room = openRoom(version)
      const start = room.add(member(bob, bob, 'join'))
      const promoted = branch(room, start, [levels(alice, usersIn(room, { [alice]: 100, [bob]: 50 }))])
      const demoted = branch(room, promoted, [levels(alice, usersIn(room, { [alice]: 100, [bob]: 0 }))])
      const late = room.draft({ ...topic(bob, 'late'), after: [promoted] })
      room.events.push({ ...late, isRejected: true })
      const again = branch(room, demoted, [levels(alice, usersIn(room, { [alice]: 100, [bob]: 60 }))])
      const merged = room.resolve([
        again.after,
        room.stateOf([...room.entries(demoted.after).values(), late]),
      ])
      assert.equal(entry(room, merged.root, 'm.room.power_levels'), again)
      assert.equal(topicOf(room, merged.root), 'late')
    })

    it('drops the topic of somebody who was banned beside it (MSC1442, state resets)', () => {
      const room = openRoom(version)
      room.add(member(bob, bob, 'join'))
      const start = room.add(levels(alice, usersIn(room, { [alice]: 100, [bob]: 50 })))
      const ban = branch(room, start, [member(alice, bob, 'ban')])
      const change = branch(room, start, [topic(bob, 'mine')])
      const merged = room.stateAfterAll([ban, change])
      assert.equal(membershipOf(room, merged, bob), 'ban')
      assert.equal(topicOf(room, merged), undefined)
    })

    it('lets a ban win over power levels that the banned one sets beside it', () => {
      const room = openRoom(version)
      room.add(member(bob, bob, 'join'))
      const start = room.add(levels(alice, usersIn(room, { [alice]: 100, [bob]: 50 })))
      const ban = branch(room, start, [
        levels(alice, usersIn(room, { [alice]: 100 })),
        member(alice, bob, 'ban'),
      ])
      const own = branch(room, start, [levels(bob, usersIn(room, { [alice]: 100, [bob]: 50, [eve]: 50 }))])
      const merged = room.stateAfterAll([ban, own])
      assert.equal(membershipOf(room, merged, bob), 'ban')
      assert.deepEqual(
        entry(room, merged, 'm.room.power_levels')?.content['users'],
        usersIn(room, { [alice]: 100 }),
      )
    })

    it('does not let a join pass that evades new join rules', () => {
      const room = openRoom(version)
      const start = room.add(member(bob, bob, 'join'))
      const closed = branch(room, start, [joinRule(alice, 'private')])
      const evading = branch(room, start, [member(eve, eve, 'join')])
      const merged = room.stateAfterAll([closed, evading])
      assert.equal(membershipOf(room, merged, eve), undefined)
      assert.equal(entry(room, merged, 'm.room.join_rules'), closed)
    })

    it('keeps joins that happen beside each other', () => {
      const room = openRoom(version)
      const start = room.add(topic(alice, 'start'))
      const tips = [bob, charlie, eve].map((user) => branch(room, start, [member(user, user, 'join')]))
      const merged = room.stateAfterAll(tips)
      for (const user of [bob, charlie, eve]) assert.equal(membershipOf(room, merged, user), 'join')
    })

    it('decides between equals by time, then by event id', () => {
      const room = openRoom(version)
      const start = room.add(topic(alice, 'start'))
      const at = (text: string, originServerTs: number) =>
        room.add({ ...topic(alice, text), after: [start], originServerTs })
      const [early, late, same] = [at('early', 100), at('late', 200), at('same', 200)]
      assert.equal(topicOf(room, room.stateAfterAll([late, early])), 'late')
      const greater = late.eventId > same.eventId ? 'late' : 'same'
      assert.equal(topicOf(room, room.stateAfterAll([late, early, same])), greater)
    })
  })
}

/** Whether a version has the changes of MSC4297. */
const reloaded: readonly (readonly [version: string, isSafe: boolean])[] = [
  ['11', false],
  ['12', true],
]

describe('MSC4297', () => {
  for (const [version, isSafe] of reloaded) {
    it(`problem A: join rules of a member who has left ${isSafe ? 'stay' : 'are lost'} in version ${version}`, () => {
      const room = openRoom(version)
      const oldRules = entry(room, room.events.at(-1)?.after ?? assert.fail(), 'm.room.join_rules')
      const newRules = room.add(joinRule(alice, 'public'))
      const made = [
        room.add(member(bob, bob, 'join')),
        room.add(member(charlie, charlie, 'join')),
        room.add(member(alice, alice, 'leave')),
        room.add(member(root, root, 'leave')),
      ]
      const current = room.entries(made.at(-1)?.after ?? assert.fail())
      const outdated = new Map(current).set(
        JSON.stringify(['m.room.join_rules', '']),
        oldRules ?? assert.fail(),
      )
      const merged = room.resolve([room.stateOf(current.values()), room.stateOf(outdated.values())])
      assert.equal(entry(room, merged.root, 'm.room.join_rules'), isSafe ? newRules : undefined)
    })

    it(`problem B: power levels ${isSafe ? 'hold' : 'fall back'} in version ${version} when what lies between is in both chains`, () => {
      const room = openRoom(version)
      room.add(member(bob, bob, 'join'))
      room.add(member(charlie, charlie, 'join'))
      const first = entry(room, room.events.at(-1)?.after ?? assert.fail(), 'm.room.power_levels')
      room.add(levels(alice, usersIn(room, { [alice]: 100, [bob]: 50 })))
      const last = room.add(levels(bob, usersIn(room, { [alice]: 100, [bob]: 50, [charlie]: 50 })))
      const joined = room.add(member(eve, eve, 'join'))
      const current = room.entries(joined.after)
      const outdated = new Map(current).set(
        JSON.stringify(['m.room.power_levels', '']),
        first ?? assert.fail(),
      )
      const merged = room.resolve([room.stateOf(current.values()), room.stateOf(outdated.values())])
      assert.equal(entry(room, merged.root, 'm.room.power_levels'), isSafe ? last : first)
    })
  }
})

describe('state resolution in version 1', () => {
  it('takes an entry that only one state has', () => {
    const room = openRoom('1')
    const start = room.add(topic(alice, 'start'))
    const tips = [bob, eve].map((user) => branch(room, start, [member(user, user, 'join')]))
    const merged = room.stateAfterAll(tips)
    assert.equal(membershipOf(room, merged, bob), 'join')
    assert.equal(membershipOf(room, merged, eve), 'join')
  })

  it('goes through power levels by depth as long as each is allowed', () => {
    const room = openRoom('1')
    room.add(member(bob, bob, 'join'))
    const start = room.add(levels(alice, usersIn(room, { [alice]: 100, [bob]: 50 })))
    const demoted = branch(room, start, [levels(alice, usersIn(room, { [alice]: 100, [bob]: 0 }))])
    const later = branch(room, start, [
      topic(bob, 'deeper'),
      levels(bob, usersIn(room, { [alice]: 100, [bob]: 50, [eve]: 50 })),
    ])
    const merged = room.stateAfterAll([demoted, later])
    assert.equal(entry(room, merged, 'm.room.power_levels'), demoted)
    // Only one state has a topic, which is no conflict in version 1.
    assert.equal(topicOf(room, merged), 'deeper')
  })

  it('takes the deepest of other events that the resolved power levels allow', () => {
    const room = openRoom('1')
    room.add(member(bob, bob, 'join'))
    const start = room.add(levels(alice, usersIn(room, { [alice]: 100, [bob]: 50 })))
    const demoted = branch(room, start, [
      topic(alice, 'shallow'),
      levels(alice, usersIn(room, { [alice]: 100, [bob]: 0 })),
    ])
    const deep = branch(room, start, [
      { type: 'm.room.message', sender: bob, content: {} },
      { type: 'm.room.message', sender: bob, content: {} },
      topic(bob, 'deep'),
      levels(bob, usersIn(room, { [alice]: 100, [bob]: 50, [eve]: 50 })),
    ])
    assert.equal(topicOf(room, room.stateAfterAll([demoted, deep])), 'shallow')
    const other = branch(room, start, [
      { type: 'm.room.message', sender: alice, content: {} },
      topic(alice, 'deeper'),
    ])
    assert.equal(topicOf(room, room.stateAfterAll([demoted, other])), 'deeper')
  })

  it('keeps the least deep event when none is allowed any more', () => {
    const room = openRoom('1')
    room.add(member(bob, bob, 'join'))
    const start = room.add(levels(alice, usersIn(room, { [alice]: 100, [bob]: 50 })))
    const one = branch(room, start, [topic(bob, 'one')])
    const two = branch(room, start, [{ type: 'm.room.message', sender: bob, content: {} }, topic(bob, 'two')])
    const demotion = branch(room, start, [levels(alice, usersIn(room, { [alice]: 100, [bob]: 0 }))])
    const withDemotion = (tip: GraphEvent): NodeId =>
      room.stateOf([...room.entries(tip.after).values(), demotion])
    const merged = room.resolve([withDemotion(one), withDemotion(two)])
    assert.equal(topicOf(room, merged.root), 'one')
  })
})
