/** Postgres knows a commit before the feed hands it on: a sync that reads its heads there must not take the feed for complete. */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { LogEntry } from '#storage/entry.ts'
import { type SyncFeed, SyncHost } from '#actors/user/sync/host.ts'
import { systemClock } from '#actors/runtime/clock.ts'
import { feedWith, reading, type Response, syncOf, SyncWorld } from '../support/sync-world.ts'

let world: SyncWorld

before(async () => {
  world = await SyncWorld.open()
})
after(() => world[Symbol.asyncDispose]())

/** A feed that can be held up: what comes meanwhile is handed on at the release. */
class HeldFeed {
  readonly #feed: SyncFeed
  readonly #late: [number, readonly LogEntry[]][] = []
  readonly #listeners = new Set<(shard: number, entries: readonly LogEntry[]) => void>()
  #provenTo: readonly (number | undefined)[] | undefined

  constructor(feed: SyncFeed) {
    this.#feed = feed
    feed.onEntries((shard, entries) => {
      if (this.#provenTo !== undefined) this.#late.push([shard, entries])
      else for (const listener of this.#listeners) listener(shard, entries)
    })
  }

  get asFeed(): SyncFeed {
    const feed = this.#feed
    const provenTo = (shard: number): number | undefined =>
      this.#provenTo === undefined ? feed.provenTo(shard) : this.#provenTo[shard]
    return feedWith(feed, {
      entriesAfter: (roomId, shard, pos) =>
        feed.entriesAfter(roomId, shard, pos)?.filter((entry) => entry.pos <= (provenTo(shard) ?? -1)),
      provenTo,
      onEntries: (listener) => {
        this.#listeners.add(listener)
        return () => this.#listeners.delete(listener)
      },
    })
  }

  hold(): void {
    this.#provenTo = Array.from({ length: 64 }, (_, shard) => this.#feed.provenTo(shard))
  }

  release(): void {
    this.#provenTo = undefined
    for (const [shard, entries] of this.#late.splice(0)) {
      for (const listener of this.#listeners) listener(shard, entries)
    }
  }
}

function texts(response: Response, roomId: string): string[] {
  const events: Response[] = response.rooms?.join?.[roomId]?.timeline.events ?? []
  return events.flatMap((event) => event.content.body ?? [])
}

test('what the feed has not handed on yet is read from Postgres, and not told again when it comes', async () => {
  const [ann, ben] = await Promise.all([world.person('ann'), world.person('ben')])
  const room = await world.room(ann)
  await ben.member(room, 'join')
  const [host] = world.hosts
  assert.ok(host !== undefined)
  const { reads } = world.database
  const held = new HeldFeed(host.feed)
  using syncing = new SyncHost({ feed: held.asFeed, reads, clock: systemClock })
  const sync = reading(syncing, reads, ben.userId)
  const first = await syncOf(sync)
  await ann.send(room, 'zero')
  const warm = await syncOf(sync, { since: first.next_batch })
  assert.deepEqual(texts(warm, room), ['zero'])

  held.hold()
  await ann.send(room, 'one')
  const one = await syncOf(sync, { since: warm.next_batch })
  assert.deepEqual(texts(one, room), ['one'], 'nothing of the range was handed on')
  held.release()
  const none = await syncOf(sync, { since: one.next_batch, timeoutMs: 1 })
  assert.deepEqual(texts(none, room), [])

  await ann.send(room, 'two')
  held.hold()
  await ann.send(room, 'three')
  const three = await syncOf(sync, { since: none.next_batch })
  assert.deepEqual(texts(three, room), ['two', 'three'], 'a part of the range was handed on')
  held.release()
  sync.dispose()
})

test('a token that is ahead of what is in memory is compared with what is committed', async () => {
  const [cai, dot] = await Promise.all([world.person('cai'), world.person('dot')])
  const room = await world.room(cai)
  await dot.member(room, 'join')
  const [host] = world.hosts
  assert.ok(host !== undefined)
  const { reads } = world.database
  const held = new HeldFeed(host.feed)
  using syncing = new SyncHost({ feed: held.asFeed, reads, clock: systemClock })
  const behind = reading(syncing, reads, dot.userId)
  const first = await syncOf(behind)
  await syncOf(behind, { since: first.next_batch, timeoutMs: 1 })
  held.hold()
  await cai.send(room, 'one')
  const ahead = await dot.sync({ since: first.next_batch })
  assert.deepEqual(texts(ahead, room), ['one'])
  const again = await syncOf(behind, { since: ahead.next_batch, timeoutMs: 1 })
  assert.equal(again.rooms?.join?.[room], undefined, 'nothing is told anew')
  held.release()
  behind.dispose()
})
