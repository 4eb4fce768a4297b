/** What happens while an answer to `/sync` is being worked out is told by the next one. */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { OwnState } from '#actors/user/own-state.ts'
import { SyncHost } from '#actors/user/sync/host.ts'
import { systemClock } from '#actors/runtime/clock.ts'
import { feedWith, nothingOwn, reading, type Response, SyncWorld, syncOf } from '../support/sync-world.ts'

let world: SyncWorld

before(async () => {
  world = await SyncWorld.open()
})
after(() => world[Symbol.asyncDispose]())

test('somebody who begins to type while an answer is made is told of by the next one', async () => {
  const ann = await world.person('typing-ann')
  const room = await world.room(ann)
  let typing: readonly string[] = []
  const [first] = world.hosts
  assert(first)
  const feed = feedWith(first.feed, { typing: () => ({ version: typing.length, userIds: typing }) })
  using host = new SyncHost({ feed, reads: world.database.reads, clock: systemClock })
  let meanwhile = (): void => {}
  const own: OwnState = {
    ...nothingOwn,
    // A room's account data is asked for when its part of the answer is written.
    accountData: async (roomId) => {
      if (roomId !== '') meanwhile()
      return []
    },
  }
  const sync = reading(host, world.database.reads, ann.userId, own)
  meanwhile = () => {
    typing = ['@ben:test.local']
    sync.typingChanged({ roomId: room, type: 'm.typing', userIds: typing })
  }
  const initial = await syncOf(sync)
  assert.ok(initial.rooms.join[room])
  meanwhile = () => {}
  const told = await syncOf(sync, { since: initial.next_batch })
  const events: Response[] = told.rooms?.join[room]?.ephemeral?.events ?? []
  assert.deepEqual(
    events.map((event) => event.content),
    [{ user_ids: ['@ben:test.local'] }],
  )
  assert.equal((await syncOf(sync, { since: told.next_batch })).rooms, undefined)
})
