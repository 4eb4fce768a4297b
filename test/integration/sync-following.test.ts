/** Following between hosts: users on one, their rooms on the other, and a bus that loses what it likes. */

import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { after, before, describe, it } from 'node:test'
import type { Bus, BusMessage } from '#actors/bus/bus.ts'
import type { Subject } from '#actors/bus/subjects.ts'
import { shardOf } from '#actors/runtime/shards.ts'
import type { RoomId } from '#protocol/ids/room-id.ts'
import { parseUserId } from '#protocol/ids/user-id.ts'
import { type Response, SyncWorld, type SyncingPerson } from '../support/sync-world.ts'

let world: SyncWorld
/** What the second host says to others; false: it is lost. */
let lets: (subject: Subject, message: BusMessage) => boolean = () => true

before(async () => {
  world = await SyncWorld.open()
  await world.addHost(lossy(world.bus))
  await bounded('both hosts to own shards', async () => (await shardsOf(1)).size > 0)
})
after(() => world[Symbol.asyncDispose]())

function lossy(bus: Bus): Bus {
  return {
    request: (subject, message, options) => bus.request(subject, message, options),
    serve: (subject, handler) => bus.serve(subject, handler),
    publish: (subject, message) => {
      if (lets(subject, message)) bus.publish(subject, message)
    },
    subscribe: (subject, listener) => bus.subscribe(subject, listener),
    get healthy() {
      return bus.healthy
    },
    onHealth: (listener) => bus.onHealth(listener),
    // The bus itself belongs to the world.
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

async function bounded(what: string, holds: () => Promise<boolean> | boolean, ms = 15_000): Promise<void> {
  const until = performance.now() + ms
  while (!(await holds())) {
    if (performance.now() > until) throw new Error(`waited ${ms} ms in vain for ${what}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

async function shardsOf(host: number): Promise<Set<number>> {
  const rows = await world.database.reads.sql<{ shard_id: number }[]>`
    select shard_id from shard where owner::text = ${world.hosts[host]?.host.hostId ?? ''}`
  return new Set(rows.map((row) => row.shard_id))
}

let named = 0

/** Somebody whose actor is on the first host. */
async function reader(): Promise<SyncingPerson> {
  const here = await shardsOf(0)
  for (;;) {
    const name = `reader${named++}`
    if (here.has(shardOf(parseUserId(`@${name}:test.local`)))) return world.person(name)
  }
}

/** A room on the second host. */
async function roomElsewhere(creator: SyncingPerson): Promise<RoomId> {
  const there = await shardsOf(1)
  for (;;) {
    const room = await world.room(creator)
    if (there.has(shardOf(room))) return room
  }
}

function bodies(response: Response): string[] {
  return Object.values(response.rooms?.join ?? {}).flatMap((room: Response) =>
    room.timeline.events.map((event: Response) => event.content.body),
  )
}

/** Waits until the first host has the room's ring, from the owner's answer on. */
async function followed(room: RoomId): Promise<void> {
  const feed = world.hosts[0]?.feed
  assert.ok(feed)
  await bounded('the room to be followed', () => {
    const proven = feed.provenTo(shardOf(room))
    return proven !== undefined && feed.entriesAfter(room, shardOf(room), proven) !== undefined
  })
}

describe('users on one host and rooms on another', () => {
  it('are told by messages alone, without asking Postgres', { timeout: 60_000 }, async () => {
    const [ann, ben] = [await reader(), await reader()]
    const room = await roomElsewhere(ann)
    await ben.member(room, 'join')
    let { next_batch: since } = await ben.sync()
    await followed(room)
    since = (await ben.sync({ since })).next_batch
    const sources: string[] = []
    const listener = (message: unknown): void => void sources.push((message as { what: string }).what)
    subscribe('troupe:sync', listener)
    for (let i = 0; i < 5; i++) {
      const waiting = ben.sync({ since, timeoutMs: 10_000 })
      await ann.send(room, `message ${i}`)
      const told = await waiting
      assert.deepEqual(bodies(told), [`message ${i}`])
      since = told.next_batch
    }
    unsubscribe('troupe:sync', listener)
    assert.ok(
      sources.every((what) => what === 'wake' || what === 'rings'),
      sources.join(),
    )
  })

  it('learn of invites and joins to rooms that their host did not follow', { timeout: 60_000 }, async () => {
    const [ann, ben] = [await reader(), await reader()]
    let { next_batch: since } = await ben.sync()
    const room = await roomElsewhere(ann)
    const invited = ben.sync({ since, timeoutMs: 10_000 })
    await ann.member(room, 'invite', ben)
    const first = await invited
    assert.ok(first.rooms.invite[room])
    since = first.next_batch
    const joined = ben.sync({ since, timeoutMs: 10_000 })
    await ben.member(room, 'join')
    assert.ok((await joined).rooms.join[room])
  })

  it(
    'miss nothing when messages are lost: the chain breaks, and Postgres is asked',
    { timeout: 60_000 },
    async () => {
      const [ann, ben] = [await reader(), await reader()]
      const room = await roomElsewhere(ann)
      await ben.member(room, 'join')
      let { next_batch: since } = await ben.sync()
      const told: string[] = []
      const isHostMessage = (subject: Subject): boolean => subject.startsWith('host.')
      let breaks = 0
      const stop = world.hosts[0]?.feed.onBroken((shard) => {
        if (shard === shardOf(room)) breaks++
      })
      for (let round = 0; round < 3; round++) {
        await followed(room)
        // The message of one commit is lost; that of the next shows the gap.
        lets = (subject) => !isHostMessage(subject)
        await ann.send(room, `lost ${round}`)
        lets = () => true
        await ann.send(room, `kept ${round}`)
        while (told.length < (round + 1) * 2) {
          const next = await ben.sync({ since, timeoutMs: 10_000 })
          told.push(...bodies(next))
          since = next.next_batch
        }
        await bounded('the chain to break', () => breaks > round)
      }
      stop?.()
      assert.deepEqual(told, ['lost 0', 'kept 0', 'lost 1', 'kept 1', 'lost 2', 'kept 2'])
    },
  )

  it('are told although the last message was lost and nothing follows it', { timeout: 60_000 }, async () => {
    const [ann, ben] = [await reader(), await reader()]
    const room = await roomElsewhere(ann)
    await ben.member(room, 'join')
    const { next_batch: since } = await ben.sync()
    const waiting = ben.sync({ since, timeoutMs: 20_000 })
    // Neither the entries nor the announcement of the head arrive: only the poll can tell.
    lets = () => false
    try {
      const startedAt = performance.now()
      await ann.send(room, 'silence')
      assert.deepEqual(bodies(await waiting), ['silence'])
      assert.ok(performance.now() - startedAt < 10_000)
    } finally {
      lets = () => true
    }
  })

  it(
    'go on with the same token when their own host drains while they wait',
    { timeout: 60_000 },
    async () => {
      const ann = await reader()
      const there = await shardsOf(1)
      let name = `moving${named++}`
      while (!there.has(shardOf(parseUserId(`@${name}:test.local`)))) name = `moving${named++}`
      const mover = await world.person(name)
      const room = await world.room(ann)
      await mover.member(room, 'join')
      const { next_batch: since } = await mover.sync()
      const waiting = mover.sync({ since, timeoutMs: 20_000 })
      await world.hosts[1]?.host.drain()
      await ann.send(room, 'after the move')
      const told = await waiting
      assert.deepEqual(bodies(told), ['after the move'])
      assert.equal((await mover.sync({ since: told.next_batch })).rooms, undefined)
    },
  )
})
