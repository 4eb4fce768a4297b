import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LogFeed } from '../../follow/feed.ts'
import type { Random } from '../../runtime/clock.ts'
import { TypingChanges } from './typing.ts'

const room = '!room:test.local'
const userIds = ['@ann:test.local']

/** A feed of one room, in which somebody types. */
function feed(): LogFeed {
  const typing = (): ReturnType<LogFeed['typing']> => ({ version: 1, userIds })
  // The cast is sound: nothing else of a feed is used here.
  return { typing } as unknown as LogFeed
}

/** An activation's memory, whose counter begins at this part of its range. */
function activation(start: number): TypingChanges {
  const random: Random = { bytes: (length) => new Uint8Array(length), fraction: () => start }
  return new TypingChanges(random)
}

for (const [start, before] of [
  [0.9, 0.1],
  [0.1, 0.9],
] as const)
  test(`whoever shows the counter of another activation is told who types (${before} before ${start})`, () => {
    const other = activation(before)
    const counter = other.counter(other.reached)
    assert.deepEqual(activation(start).since(feed(), counter, [room]).get(room), userIds)
  })

test('whoever shows the counter of this activation is told what has changed since', () => {
  const typing = activation(0.5)
  const before = typing.counter(typing.reached)
  assert.equal(typing.since(feed(), before, [room]).size, 0)
  typing.changed(room, userIds)
  assert.deepEqual(typing.since(feed(), before, [room]).get(room), userIds)
  assert.equal(typing.since(feed(), typing.counter(typing.reached), [room]).size, 0)
})
