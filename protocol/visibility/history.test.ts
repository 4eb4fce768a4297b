import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { HistoryVisibility } from '../events/read/history-visibility.ts'
import type { Membership } from '../events/read/membership.ts'
import { factsAt, maySeeEvent } from './history.ts'
import type { VisibilityFacts, VisibilityTransitions } from './history.ts'

function facts(
  visibility: HistoryVisibility,
  membership: Membership | undefined,
  joinedLater = false,
): VisibilityFacts {
  return {
    visibility: { before: visibility, after: visibility },
    membership: { before: membership, after: membership },
    joinedLater,
  }
}

const memberships = ['join', 'invite', 'knock', 'leave', 'ban', undefined] as const

describe('maySeeEvent', () => {
  const table: [HistoryVisibility, joinedLater: boolean, seenBy: (Membership | undefined)[]][] = [
    ['world_readable', false, [...memberships]],
    ['world_readable', true, [...memberships]],
    ['shared', false, ['join']],
    ['shared', true, [...memberships]],
    ['invited', false, ['join', 'invite']],
    ['invited', true, ['join', 'invite']],
    ['joined', false, ['join']],
    ['joined', true, ['join']],
  ]
  for (const [visibility, joinedLater, seenBy] of table) {
    it(`shows ${visibility} events ${joinedLater ? 'before a join' : 'with no later join'} to the right members`, () => {
      for (const membership of memberships) {
        const expected = seenBy.includes(membership)
        assert.equal(maySeeEvent(facts(visibility, membership, joinedLater)), expected, String(membership))
      }
    })
  }

  it('shows a change of visibility by the value before or after it', () => {
    for (const change of [
      { before: 'world_readable', after: 'joined' },
      { before: 'joined', after: 'world_readable' },
    ] as const) {
      assert.ok(maySeeEvent({ ...facts('joined', undefined), visibility: change }))
    }
    assert.ok(
      !maySeeEvent({ ...facts('joined', 'leave'), visibility: { before: 'joined', after: 'shared' } }),
    )
  })

  it("shows the user's own membership event by the membership before or after it", () => {
    const own = (before: Membership | undefined, after: Membership) =>
      maySeeEvent({ ...facts('joined', undefined), membership: { before, after } })
    assert.ok(own(undefined, 'join'))
    assert.ok(own('join', 'leave'))
    assert.ok(own('join', 'ban'))
    assert.ok(!own('leave', 'ban'))
    assert.ok(
      maySeeEvent({ ...facts('invited', undefined), membership: { before: 'invite', after: 'leave' } }),
    )
  })
})

describe('factsAt', () => {
  const transitions: VisibilityTransitions = {
    visibility: [
      { at: [1, 0], value: 'joined' },
      { at: [6, 0], value: 'shared' },
    ],
    membership: [
      { at: [3, 0], value: 'invite' },
      { at: [4, 0], value: 'join' },
      { at: [8, 0], value: 'leave' },
    ],
  }
  const seen = (position: number, sub = 0) => maySeeEvent(factsAt(transitions, [position, sub]))

  it('takes the state around each event in the order of arrival', () => {
    assert.deepEqual(factsAt(transitions, [4, 0]), {
      visibility: { before: 'joined', after: 'joined' },
      membership: { before: 'invite', after: 'join' },
      joinedLater: false,
    })
    assert.deepEqual(factsAt(transitions, [6, 0]).visibility, { before: 'joined', after: 'shared' })
  })

  it('is shared before the first change, and knows a later join', () => {
    assert.deepEqual(factsAt(transitions, [1, -1]), {
      visibility: { before: 'shared', after: 'shared' },
      membership: { before: undefined, after: undefined },
      joinedLater: true,
    })
  })

  it('lets a member see from his join to his leaving under joined, and no further', () => {
    assert.deepEqual(
      [2, 3, 4, 5, 7, 8, 9].map((position) => seen(position)),
      [false, false, true, true, true, true, false],
    )
    assert.equal(seen(4, -1), false)
    assert.equal(seen(8, -1), true)
  })
})
