import assert from 'node:assert/strict'
import { test } from 'node:test'

import { parseRoomId } from '#protocol/ids/room-id.ts'
import { parseUserId } from '#protocol/ids/user-id.ts'
import { ManualClock } from '#test/support/manual-clock.ts'
import type { ActorContext, EphemeralEvent } from '../runtime/contract.ts'
import type { RoomCore } from './core.ts'
import { TypingUsers } from './typing.ts'

const userId = parseUserId('@ann:test.local')
const typing = { userId, typing: true, timeoutMs: 30_000 } as const

/** An activation's typing, in a room whose members are known when `state` is. */
function activation(state: Promise<void> = Promise.resolve()) {
  const clock = new ManualClock()
  const told: EphemeralEvent[] = []
  const ending = new AbortController()
  const ephemeral = (event: EphemeralEvent): void => void told.push(event)
  const context = { clock, enqueue: () => {}, ephemeral, signal: ending.signal }
  const member = { content: { membership: 'join' } }
  const settle = (attempt: () => unknown): Promise<unknown> => state.then(attempt)
  const room = { state: { settle, lookup: () => member } }
  // The casts are sound: typing uses nothing else of its context and its room.
  const users = new TypingUsers(context as unknown as ActorContext, parseRoomId('!room:test.local'))
  const end = (): void => {
    ending.abort()
    users.stopAll()
  }
  return { clock, told, users, end, room: room as unknown as RoomCore }
}

test('an activation that ends tells followers that nobody types, once', async () => {
  const { clock, end, room, told, users } = activation()
  await users.set(room, typing)
  end()
  end()
  assert.deepEqual(
    told.map((event) => event.userIds),
    [[userId], []],
  )
  assert.equal(clock.pending, 0)
})

test('nobody begins to type in an activation that has ended meanwhile', async () => {
  const state = Promise.withResolvers<void>()
  const { clock, end, room, told, users } = activation(state.promise)
  const setting = users.set(room, typing)
  end()
  state.resolve()
  await setting
  assert.deepEqual(told, [])
  assert.equal(clock.pending, 0)
})
