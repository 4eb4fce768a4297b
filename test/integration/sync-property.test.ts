/**
 * Whatever happens, a client that folds incremental syncs knows in the end what one knows that has just begun; whether the answers
 * came from rings or from Postgres, and whichever of the two gave the token.
 */

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import fc from 'fast-check'
import { MatrixError } from '#protocol/errors.ts'
import type { RoomId } from '#protocol/ids/room-id.ts'
import { SyncHost } from '#actors/user/sync/host.ts'
import type { UserSync } from '#actors/user/sync/engine.ts'
import { systemClock } from '#actors/runtime/clock.ts'
import { SyncClient } from '../support/sync-client.ts'
import { deafFeed, reading, SyncWorld, syncOf, type SyncingPerson } from '../support/sync-world.ts'

type Step =
  | { readonly kind: 'send'; readonly room: number; readonly count: number }
  | { readonly kind: 'state'; readonly room: number }
  | {
      readonly kind: 'member'
      readonly room: number
      readonly action: 'join' | 'leave' | 'invite' | 'kick' | 'ban' | 'unban'
    }
  | { readonly kind: 'read'; readonly room: number }
  | { readonly kind: 'other'; readonly room: number; readonly action: 'join' | 'leave' }
  | {
      readonly kind: 'sync'
      readonly from: 'rings' | 'database'
      readonly limit: number
      readonly wait: boolean
    }

const roomIndex = fc.nat(2)
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('send' as const), room: roomIndex, count: fc.constantFrom(1, 1, 2, 7) }),
  fc.record({ kind: fc.constant('state' as const), room: roomIndex }),
  fc.record({
    kind: fc.constant('member' as const),
    room: roomIndex,
    action: fc.constantFrom(
      'join' as const,
      'join' as const,
      'leave' as const,
      'invite' as const,
      'kick' as const,
      'ban' as const,
      'unban' as const,
    ),
  }),
  fc.record({ kind: fc.constant('read' as const), room: roomIndex }),
  fc.record({
    kind: fc.constant('other' as const),
    room: roomIndex,
    action: fc.constantFrom('join' as const, 'leave' as const),
  }),
  fc.record({
    kind: fc.constant('sync' as const),
    from: fc.constantFrom('rings' as const, 'database' as const),
    limit: fc.constantFrom(1, 3, 20),
    wait: fc.boolean(),
  }),
)

let world: SyncWorld
let named = 0

before(async () => {
  world = await SyncWorld.open()
})
after(() => world[Symbol.asyncDispose]())

interface Cast {
  readonly owner: SyncingPerson
  readonly reader: SyncingPerson
  readonly other: SyncingPerson
  readonly rooms: readonly RoomId[]
  readonly lastEvents: Map<RoomId, string>
}

async function cast(): Promise<Cast> {
  const n = named++
  const [owner, reader, other] = [
    await world.person(`owner${n}`),
    await world.person(`reader${n}`),
    await world.person(`other${n}`),
  ]
  const rooms: RoomId[] = []
  for (let i = 0; i < 3; i++) rooms.push(await world.room(owner))
  return { owner, reader, other, rooms, lastEvents: new Map() }
}

/** Steps that the rules forbid at that moment change nothing. */
async function attempt(run: () => Promise<unknown>): Promise<void> {
  try {
    await run()
  } catch (error) {
    if (!(error instanceof MatrixError) || error.status !== 403) throw error
  }
}

async function act(people: Cast, each: Exclude<Step, { kind: 'sync' }>): Promise<void> {
  const { owner, reader, other, rooms, lastEvents } = people
  const room = rooms[each.room]
  if (room === undefined) return
  switch (each.kind) {
    case 'send':
      for (let i = 0; i < each.count; i++) lastEvents.set(room, await owner.send(room, `message ${i}`))
      return
    case 'state':
      await owner.state(room, 'm.room.topic', { topic: `topic ${named++}` })
      return
    case 'member':
      if (each.action === 'join' || each.action === 'leave')
        return attempt(() => reader.member(room, each.action))
      return attempt(() => owner.member(room, each.action, reader))
    case 'other':
      return attempt(() => other.member(room, each.action))
    case 'read': {
      const eventId = lastEvents.get(room)
      if (eventId !== undefined) await attempt(() => reader.read(room, eventId))
    }
  }
}

function filterOf(limit: number): string {
  return JSON.stringify({ room: { timeline: { limit } } })
}

function knowledge(client: SyncClient): unknown {
  const rooms = [...client.joined].map(([roomId, room]) => ({
    roomId,
    state: Object.fromEntries(room.state),
    unread: room.unread,
    summary: room.summary,
    last: room.timeline.at(-1),
  }))
  return { rooms: rooms.sort((a, b) => (a.roomId < b.roomId ? -1 : 1)), invited: [...client.invited].sort() }
}

async function run(steps: readonly Step[], stateAfter: boolean): Promise<void> {
  const people = await cast()
  const [first] = world.hosts
  assert.ok(first)
  const { reads } = world.database
  using deaf = new SyncHost({ feed: deafFeed(first.feed), reads, clock: systemClock })
  const readers: Record<'rings' | 'database', UserSync> = {
    rings: reading(first.syncing, reads, people.reader.userId),
    database: reading(deaf, reads, people.reader.userId),
  }
  const client = new SyncClient()
  const look = async (each: Extract<Step, { kind: 'sync' }>): Promise<void> => {
    const request = {
      filter: filterOf(each.limit),
      useStateAfter: stateAfter,
      // The least wait there is: heads may then be those of the rings.
      timeoutMs: each.wait ? 1 : 0,
      ...(client.since === undefined ? {} : { since: client.since }),
    }
    client.fold(await syncOf(readers[each.from], request), stateAfter)
  }
  for (const each of steps) await (each.kind === 'sync' ? look(each) : act(people, each))
  await look({ kind: 'sync', from: 'rings', limit: 3, wait: false })
  for (const from of ['database', 'rings'] as const) {
    const fresh = new SyncClient()
    fresh.fold(await syncOf(readers[from], { useStateAfter: stateAfter }), stateAfter)
    assert.deepEqual(knowledge(client), knowledge(fresh), from)
  }
  for (const reader of Object.values(readers)) reader.dispose()
}

describe('folding incremental syncs', () => {
  for (const stateAfter of [false, true]) {
    it(
      `gives what a first sync gives, with ${stateAfter ? 'state_after' : 'state'}`,
      { timeout: 120_000 },
      async () => {
        await fc.assert(
          fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), (steps) =>
            run(steps, stateAfter),
          ),
          { numRuns: 20, endOnFailure: true },
        )
      },
    )
  }
})
