/** A waiting client is told of whatever happens, at whatever moment it happens. */

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { systemClock } from '#actors/runtime/clock.ts'
import type { OwnState } from '#actors/user/own-state.ts'
import { type SyncFeed, SyncHost } from '#actors/user/sync/host.ts'
import {
  deafFeed,
  nothingOwn,
  reading,
  type Response,
  syncOf,
  SyncWorld,
  type SyncingPerson,
} from '../support/sync-world.ts'

let world: SyncWorld
let ann: SyncingPerson
let ben: SyncingPerson

before(async () => {
  world = await SyncWorld.open()
  ann = await world.person('ann')
  ben = await world.person('ben')
})
after(() => world[Symbol.asyncDispose]())

/** Something to be done before the nth step that a sync takes, counted over everything that it asks of others. */
class StepCounter {
  steps = 0
  readonly #at: number
  readonly #act: () => Promise<unknown>

  constructor(at: number, act: () => Promise<unknown>) {
    this.#at = at
    this.#act = act
  }

  async step(): Promise<void> {
    if (this.steps++ === this.#at) await this.#act()
  }
}

function countedOwn(counter: StepCounter): OwnState {
  const counted =
    <A extends unknown[], R>(run: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      await counter.step()
      return run(...args)
    }
  return {
    ...nothingOwn,
    ignoredUsers: counted(() => nothingOwn.ignoredUsers()),
    pushRules: counted(() => nothingOwn.pushRules()),
    keyCounts: counted((deviceId: string) => nothingOwn.keyCounts(deviceId)),
    toDevice: counted((deviceId: string, pos: number, limit: number) =>
      nothingOwn.toDevice(deviceId, pos, limit),
    ),
  }
}

function countedFeed(feed: SyncFeed, counter: StepCounter): SyncFeed {
  return {
    get incarnation() {
      return feed.incarnation
    },
    shardCount: feed.shardCount,
    readHeadsNow: async () => {
      await counter.step()
      const heads = await feed.readHeadsNow()
      await counter.step()
      return heads
    },
    readHeads: () => feed.readHeads(),
    follow: (roomId, shard) => feed.follow(roomId, shard),
    unfollow: (roomId, shard) => feed.unfollow(roomId, shard),
    entriesAfter: (roomId, shard, pos) => feed.entriesAfter(roomId, shard, pos),
    provenTo: (shard) => feed.provenTo(shard),
    typing: (roomId) => feed.typing(roomId),
    onEntries: (listener) => feed.onEntries(listener),
    onEphemeral: (listener) => feed.onEphemeral(listener),
    onBroken: (listener) => feed.onBroken(listener),
  }
}

function bodies(response: Response): string[] {
  return Object.values(response.rooms?.join ?? {}).flatMap((room: Response) =>
    room.timeline.events.map((event: Response) => event.content.body),
  )
}

describe('a wake-up', () => {
  it('is not lost, between whatever two steps of a sync the commit comes', { timeout: 60_000 }, async () => {
    const [host] = world.hosts
    assert.ok(host)
    const room = await world.room(ann)
    await ben.member(room, 'join')
    const { reads } = world.database
    for (let at = 0, done = false; !done; at++) {
      const counter = new StepCounter(at, () => ann.send(room, `at ${at}`))
      using syncing = new SyncHost({ feed: countedFeed(host.feed, counter), reads, clock: systemClock })
      const sync = reading(syncing, reads, ben.userId, countedOwn(counter))
      // A new activation at an old token: the way through Postgres, then the way through rings.
      const { next_batch: since } = await ben.sync()
      const startedAt = performance.now()
      const waiting = syncOf(sync, { since, timeoutMs: 10_000 })
      if (counter.steps <= at) {
        // Wait until it has taken every step that it takes before it waits.
        while (sync.waiting === 0 && counter.steps <= at)
          await new Promise((resolve) => setImmediate(resolve))
        done = counter.steps <= at
        if (done) await ann.send(room, `at ${at}`)
      }
      assert.deepEqual(bodies(await waiting), [`at ${at}`])
      assert.ok(performance.now() - startedAt < 5000, `step ${at} took the whole time`)
      sync.dispose()
    }
  })

  it(
    'comes with the poll of heads where nothing else says that something happened',
    { timeout: 60_000 },
    async () => {
      const [host] = world.hosts
      assert.ok(host)
      const room = await world.room(ann)
      await ben.member(room, 'join')
      const { reads } = world.database
      const broken = new Set<(shard: number) => void>()
      const feed: SyncFeed = {
        ...deafFeed(host.feed),
        onBroken: (listener) => {
          broken.add(listener)
          return () => broken.delete(listener)
        },
      }
      using syncing = new SyncHost({ feed, reads, clock: systemClock })
      const sync = reading(syncing, reads, ben.userId)
      const { next_batch: since } = await syncOf(sync)
      const waiting = syncOf(sync, { since, timeoutMs: 10_000 })
      await ann.send(room, 'unannounced')
      for (const listener of broken) listener(0)
      assert.deepEqual(bodies(await waiting), ['unannounced'])
      sync.dispose()
    },
  )

  it('does not come for what is another device’s', async () => {
    const { next_batch: since } = await ben.sync()
    const startedAt = performance.now()
    const waiting = ben.sync({ since, timeoutMs: 300 })
    await world.ask.ask('user', ben.userId, 'deliver', {
      sender: ann.userId,
      type: 'm.test',
      txnKey: Buffer.from('for another one.').toString('base64url'),
      messages: { OTHER: {} },
    })
    const empty = await waiting
    assert.ok(performance.now() - startedAt >= 290)
    assert.equal(empty.to_device, undefined)
  })
})
