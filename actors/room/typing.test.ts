import assert from 'node:assert/strict'
import { test } from 'node:test'

import { parseRoomId } from '#protocol/ids/room-id.ts'
import { parseUserId } from '#protocol/ids/user-id.ts'
import { ManualClock } from '#test/support/manual-clock.ts'
import type { ActorContext, EphemeralEvent } from '../runtime/contract.ts'
import type { RoomCore } from './core.ts'
import { TypingUsers } from './typing.ts'

test('an activation that ends tells followers that nobody types, once', async () => {
  const clock = new ManualClock()
  const told: EphemeralEvent[] = []
  const context = { clock, enqueue: () => {}, ephemeral: (event: EphemeralEvent) => void told.push(event) }
  const member = { content: { membership: 'join' } }
  const room = { state: { settle: (attempt: () => unknown) => attempt(), lookup: () => member } }
  // The casts are sound: typing uses nothing else of its context and its room.
  const typing = new TypingUsers(context as unknown as ActorContext, parseRoomId('!room:test.local'))
  const userId = parseUserId('@ann:test.local')
  await typing.set(room as unknown as RoomCore, { userId, typing: true, timeoutMs: 30_000 })
  typing.stopAll()
  typing.stopAll()
  assert.deepEqual(
    told.map((event) => event.userIds),
    [[userId], []],
  )
  assert.equal(clock.pending, 0)
})
