import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { contentOf } from '#storage/rooms/aggregations.ts'
import { roomById, type StandingRoom } from '#storage/rooms/room.ts'
import { StateReader } from '#storage/rooms/state-reader.ts'
import { alice, createRequest } from '../support/room-builder.ts'
import { RoomHarness } from '../support/room-harness.ts'
import { testDatabase, type TestDatabase } from '../support/postgres.ts'

let world: TestDatabase
let rooms: RoomHarness

before(async () => {
  world = await testDatabase({ serverName: 'test.local' })
  rooms = new RoomHarness(world.database, 'test.local')
})
after(() => world[Symbol.asyncDispose]())

let made = 0
async function makeRoom(entries: number): Promise<string> {
  const state = Array.from({ length: entries }, (_, n) => ({
    type: 'org.test',
    stateKey: `k${n}`,
    content: { n },
  }))
  const request = createRequest({ creator: alice, at: 1_500_000_000_000 + made++, state })
  return (await rooms.ask(request.roomId, 'create', request)).roomId
}

async function standing(room: string): Promise<StandingRoom> {
  const found = await roomById(world.database.reads, room as never)
  assert.ok(found)
  return found
}

function setEntry(room: string, stateKey: string, n: number): Promise<{ eventId: string }> {
  return rooms.ask(room, 'state', { sender: alice, type: 'org.test', stateKey, content: { n } })
}

describe('state reader', () => {
  for (const nodeBytes of [16_000_000, 1]) {
    test(`entries, whole states and differences are found with ${nodeBytes} bytes for nodes`, async () => {
      const room = await makeRoom(150)
      const earlier = await standing(room)
      await setEntry(room, 'k7', 700)
      await setEntry(room, 'new', 1)
      const { root, roomNid } = await standing(room)
      const reader = new StateReader(world.database.reads, { nodeBytes, eventChars: nodeBytes })
      const get = async (key: string): Promise<unknown> => {
        const event = await reader.get(roomNid, root, 'org.test', key)
        return event && contentOf(event)['n']
      }
      assert.deepEqual([await get('k3'), await get('k7'), await get('absent')], [3, 700, undefined])
      assert.equal((await reader.all(roomNid, root)).length, 156)
      assert.deepEqual(
        (await reader.members(roomNid, root)).map((event) => event.stateKey),
        [alice],
      )
      const changes = await reader.diff(roomNid, earlier.root, root)
      const numbers = changes.map(({ after, before }) => [
        before && contentOf(before)['n'],
        after && contentOf(after)['n'],
      ])
      assert.deepEqual(new Set(numbers.map(String)), new Set(['7,700', ',1']))
      assert.deepEqual(await reader.diff(roomNid, root, root), [])
    })
  }

  test('an event that was read before it was redacted is given redacted afterwards', async () => {
    const room = await makeRoom(0)
    const { eventId } = await setEntry(room, 'secret', 42)
    const { root, roomNid } = await standing(room)
    const reader = new StateReader(world.database.reads)
    const first = await reader.get(roomNid, root, 'org.test', 'secret')
    assert.deepEqual(first && contentOf(first), { n: 42 })
    const redaction = { sender: alice, deviceId: 'D', txnId: 'r', target: eventId as never, content: {} }
    await rooms.ask(room, 'redact', redaction)
    const second = await reader.get(roomNid, root, 'org.test', 'secret')
    assert.deepEqual(second && contentOf(second), {})
  })

  test('entries of several rooms are read together, in the order of the questions', async () => {
    const [one, two] = [await standing(await makeRoom(1)), await standing(await makeRoom(60))]
    const reader = new StateReader(world.database.reads)
    const ask = ({ root, roomNid }: StandingRoom, stateKey: string) => ({
      root,
      roomNid,
      type: 'org.test',
      stateKey,
    })
    const found = await reader.getMany([ask(two, 'k59'), ask(one, 'k0'), ask(one, 'k59')])
    assert.deepEqual(
      found.map((event) => event && contentOf(event)['n']),
      [59, 0, undefined],
    )
  })
})
