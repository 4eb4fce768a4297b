/** Rooms in the real runtime on a real Postgres: group commits, repeated transactions, a room that is loaded anew. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryBus } from '#actors/bus/memory.ts'
import { NumberBlocks } from '#actors/room/numbers.ts'
import { roomActor } from '#actors/room/room.ts'
import { systemClock, systemRandom } from '#actors/runtime/clock.ts'
import type { ActorDefinition } from '#actors/runtime/contract.ts'
import { startActorHost, type ActorHost } from '#actors/runtime/host.ts'
import type { UserMessages } from '#actors/user/messages.ts'
import { takeEventNumbers, takeRoomNumbers } from '#storage/cluster/numbers.ts'
import type { Database } from '#storage/pool.ts'
import { alice, bob, createRequest } from '../support/room-builder.ts'
import { testDatabase } from '../support/postgres.ts'

/** How many of its newest events a room knows by transaction, and some more. */
const beyondWindow = 1100

/** Takes the hints that rooms give, and does nothing else. */
const silentUser: ActorDefinition<UserMessages> = {
  kind: 'user',
  load: () => Promise.resolve({ handle: () => ({}), mayPassivate: true }),
  interleaved: new Set(),
  mailboxLimit: 100,
  idleMs: 1000,
}

async function startHost(database: Database, bus: MemoryBus): Promise<ActorHost> {
  const numbers = new NumberBlocks({
    takeEvents: () => takeEventNumbers(database.control),
    takeRooms: (count) => takeRoomNumbers(database.control, count),
  })
  const host = await startActorHost({
    database,
    bus,
    clock: systemClock,
    random: systemRandom,
    hostName: 'test',
    version: 'test',
    roles: ['actors'],
    committers: 2,
    shardCount: 64,
    sole: true,
    definitions: [roomActor({ serverName: 'test.local', numbers }), silentUser],
  })
  return host
}

function send(host: ActorHost, room: string, txnId: string): Promise<{ eventId: string }> {
  const content = { body: txnId, msgtype: 'm.text' }
  const body = { sender: alice, deviceId: 'DEV', txnId, type: 'm.room.message', content }
  return host.asker.ask('room', room, 'send', body, { timeoutMs: 20_000 })
}

test('many messages at once stand in one chain, and each repeated transaction finds its event', async () => {
  await using world = await testDatabase({ serverName: 'test.local' })
  await using bus = new MemoryBus(systemClock)
  const request = createRequest({ creator: alice, invites: [bob] })
  const room = request.roomId
  const sent = await (async () => {
    await using host = await startHost(world.database, bus)
    await host.asker.ask('room', room, 'create', request)
    const txns = Array.from({ length: beyondWindow }, (_, n) => `t${n}`)
    const events = await Promise.all(txns.map((txnId) => send(host, room, txnId)))
    await host.drain()
    return events.map(({ eventId }) => eventId)
  })()
  assert.equal(new Set(sent).size, beyondWindow)
  const rows = await world.database.reads.sql<{ event_id: string; json: string }[]>`
    select e.event_id, e.json from log l join event e using (event_nid) where e.type = 'm.room.message' order by l.pos`
  assert.deepEqual(
    rows.map((row) => row.event_id),
    sent,
  )
  for (const [index, row] of rows.entries()) {
    if (index > 0) assert.deepEqual(JSON.parse(row.json).prev_events, [sent[index - 1]])
  }
  await using host = await startHost(world.database, bus)
  // The first stands before the window that the new activation has loaded: the commit finds it, and the room is loaded anew.
  assert.equal((await send(host, room, 't0')).eventId, sent[0])
  assert.equal((await send(host, room, 't5')).eventId, sent[5])
  assert.equal((await send(host, room, `t${beyondWindow - 1}`)).eventId, sent.at(-1))
  const { eventId: next } = await send(host, room, 'new')
  const [last] = await world.database.reads.sql<
    { json: string }[]
  >`select json from event where event_id = ${next}`
  assert.deepEqual(JSON.parse(last?.json ?? '{}').prev_events, [sent.at(-1)])
  await host.drain()
})
