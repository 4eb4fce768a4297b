import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LogFeed } from '../../follow/feed.ts'
import type { Random } from '../../runtime/clock.ts'
import { TypingChanges, type TypingNews } from './typing.ts'

const room = '!room:test.local'
const userIds = ['@ann:test.local']
const nobody: readonly string[] = []

/** A feed of one room, in which these type. */
function feed(typers: readonly string[] = userIds): LogFeed {
  const typing = (): ReturnType<LogFeed['typing']> => ({ version: 1, userIds: typers })
  // The cast is sound: nothing else of a feed is used here.
  return { typing } as unknown as LogFeed
}

/** An activation's memory, whose counter begins at this part of its range. */
function activation(start: number): TypingChanges {
  const random: Random = { bytes: (length) => new Uint8Array(length), fraction: () => start }
  return new TypingChanges(random)
}

/** What somebody with this counter is told who goes on being in the room. */
function told(typing: TypingChanges, counter: number | undefined, typers = userIds): TypingNews {
  return typing.since(feed(typers), { counter, steady: [room], fresh: [], mayKnow: false })
}

for (const [start, before] of [
  [0.9, 0.1],
  [0.1, 0.9],
] as const) {
  test(`whoever shows the counter of another activation is told who types (${before} before ${start})`, () => {
    const { counter } = told(activation(before), undefined, [])
    assert.deepEqual(told(activation(start), counter).rooms.get(room), userIds)
  })

  test(`whoever was left with somebody typing is told that nobody does (${before} before ${start})`, () => {
    const { counter } = told(activation(before), undefined)
    const next = activation(start)
    const news = told(next, counter, [])
    assert.deepEqual(news.rooms.get(room), nobody)
    assert.equal(told(next, news.counter, []).rooms.size, 0)
    assert.equal(told(activation(start / 2), news.counter, []).rooms.size, 0)
  })
}

test('whoever shows the counter of this activation is told what has changed since', () => {
  const typing = activation(0.5)
  const before = told(typing, undefined, [])
  assert.equal(told(typing, before.counter).rooms.size, 0)
  typing.changed(room)
  const news = told(typing, before.counter)
  assert.deepEqual(news.rooms.get(room), userIds)
  assert.equal(told(typing, news.counter).rooms.size, 0)
})

test('a counter goes on saying that somebody types while nothing changes', () => {
  const typing = activation(0.5)
  const again = told(typing, told(typing, undefined).counter)
  assert.equal(again.rooms.size, 0)
  assert.deepEqual(told(activation(0.1), again.counter, []).rooms.get(room), nobody)
})

test('a room that the client may know is told with who types, even nobody', () => {
  const typing = activation(0.5)
  const { counter } = told(typing, undefined, [])
  for (const known of [counter, undefined]) {
    const asked = { counter: known, steady: [], fresh: [room] }
    assert.deepEqual(typing.since(feed([]), { ...asked, mayKnow: true }).rooms.get(room), nobody)
    assert.equal(typing.since(feed([]), { ...asked, mayKnow: false }).rooms.size, 0)
    assert.deepEqual(typing.since(feed(), { ...asked, mayKnow: false }).rooms.get(room), userIds)
  }
})
