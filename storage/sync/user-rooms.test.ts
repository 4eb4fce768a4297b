import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { RoomId } from '#protocol/ids/room-id.ts'
import type { LogEntry } from '../entry.ts'
import type { Membership } from '../log-kinds.ts'
import { UserRooms } from './user-rooms.ts'

// The cast is sound: the text is of the right form.
const roomId = '!room:test.local' as RoomId

function row(
  pos: number,
  membership: Membership | undefined,
  prevMembership?: Membership,
  extra: Partial<LogEntry> = {},
): LogEntry {
  return {
    shard: 2,
    pos,
    epoch: 1,
    kind: 'event',
    roomId,
    roomNid: 5,
    event: undefined,
    userId: undefined,
    membership,
    prevMembership,
    stateRoot: undefined,
    body: undefined,
    ...extra,
  }
}

function forget(pos: number): LogEntry {
  return row(1, undefined, undefined, {
    kind: 'forget',
    shard: 9,
    roomId: undefined,
    body: { roomId, shard: 2, pos },
  })
}

function history(...rows: LogEntry[]): UserRooms {
  const rooms = new UserRooms()
  for (const each of rows) rooms.apply(each)
  return rooms
}

describe('the rooms of a user', () => {
  it('say what he was at any position', () => {
    const room = history(row(3, 'invite'), row(5, 'join', 'invite'), row(9, 'leave', 'join')).get(roomId)
    assert.deepEqual(
      [2, 3, 4, 5, 8, 9, 100].map((pos) => room?.membershipAt(pos)),
      [undefined, 'invite', 'invite', 'join', 'join', 'leave', 'leave'],
    )
  })

  it('do not count a new profile as a change', () => {
    const room = history(row(5, 'join'), row(7, 'join', 'join')).get(roomId)
    assert.equal(room?.changedBetween(5, 10), false)
    assert.equal(room?.changedAt(10), 5)
  })

  it('know a change forth and back', () => {
    const room = history(row(5, 'join'), row(7, 'leave', 'join'), row(8, 'join', 'leave')).get(roomId)
    assert.equal(room?.changedBetween(5, 10), true)
    assert.equal(room?.changedBetween(8, 10), false)
  })

  it('take up a row once, however often it comes', () => {
    const room = history(row(5, 'join'), row(5, 'join'), row(7, 'leave', 'join'), row(5, 'join')).get(roomId)
    assert.equal(room?.changes.length, 2)
    assert.equal(room?.membershipAt(10), 'leave')
  })

  it('forget a room until something new happens to the user there, in whatever order the rows are read', () => {
    const left = [row(5, 'join'), row(7, 'leave', 'join')]
    for (const rooms of [history(...left, forget(7)), history(forget(7), ...left)]) {
      assert.equal(rooms.get(roomId)?.isForgotten(10), true)
      rooms.apply(row(9, 'invite', 'leave'))
      assert.equal(rooms.get(roomId)?.isForgotten(10), false)
      rooms.apply(row(11, 'leave', 'invite'))
      assert.equal(rooms.get(roomId)?.isForgotten(12), false)
    }
  })
})
