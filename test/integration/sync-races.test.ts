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

for (const [what, before, after] of [
  ['begins to type while an answer is made is told of by the next one', [], ['@ben:test.local']],
  ['ends typing while an answer is made is told of by another activation', ['@ben:test.local'], []],
] as const)
  test(`somebody who ${what}`, async () => {
    const ann = await world.person(`typing-ann-${after.length}`)
    const room = await world.room(ann)
    let typing: readonly string[] = before
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
      typing = after
      sync.typingChanged({ roomId: room, type: 'm.typing', userIds: typing })
    }
    const initial = await syncOf(sync)
    assert.ok(initial.rooms.join[room])
    meanwhile = () => {}
    const next = after.length > 0 ? sync : reading(host, world.database.reads, ann.userId, own)
    const told = await syncOf(next, { since: initial.next_batch })
    const events: Response[] = told.rooms?.join[room]?.ephemeral?.events ?? []
    assert.deepEqual(
      events.map((event) => event.content),
      [{ user_ids: after }],
    )
    assert.equal((await syncOf(next, { since: told.next_batch })).rooms, undefined)
  })
