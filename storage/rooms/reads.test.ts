import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { EventId } from '#protocol/ids/event-id.ts'
import type { RoomId } from '#protocol/ids/room-id.ts'
import type { UserId } from '#protocol/ids/user-id.ts'
import { bucketNode, nodeIdToBytes, type NodeId } from '#protocol/state/trie-node.ts'
import { testDatabase, type TestDatabase } from '#test/support/postgres.ts'
import { ShardWrites } from '../shard-writes.ts'
import type { LogRow } from '../writes.ts'
import { readEventsByNid } from './events.ts'
import { readReceiptsOfUser } from './receipts.ts'
import { readThreads } from './relations.ts'
import { readStateNodes, rootAt } from './rooms.ts'

const limit = { timeout: 30_000 }
// The casts stand for parsing: these are ids of the right form.
const alice = '@alice:test.local' as UserId
const bob = '@bob:test.local' as UserId
const roomId = '!room:test.local' as RoomId
const shard = 9

function id(nid: number): EventId {
  return `$event-${nid}` as EventId
}

const roots = [0, 1, 2].map((n) => Buffer.alloc(16, n).toString('base64url') as NodeId)

interface Event {
  readonly nid: number
  readonly sender?: UserId
  readonly type?: string
  readonly relatesTo?: readonly [relType: string, parent: number]
  readonly log?: Partial<LogRow>
}

/** A room of shard 9 with the number 1. */
async function makeRoom(db: TestDatabase, events: readonly Event[]): Promise<void> {
  await db.database.control.sql`update shard set epoch = 1 where shard_id = ${shard}`
  const writes = new ShardWrites(shard)
  writes.put('room', { room_nid: 1, room_id: roomId, version: '12', shard_id: shard, created_at: 5 })
  for (const { nid, sender = alice, type = 'm.room.message', relatesTo, log } of events) {
    const pos = writes.append({ kind: 'event', roomNid: 1, eventNid: nid, stateRoot: roots[0] ?? '', ...log })
    writes.put('event', {
      event_nid: nid,
      event_id: id(nid),
      room_nid: 1,
      type,
      state_key: null,
      sender,
      origin_server_ts: nid,
      json: '{}',
      txn: 'DEVICE txn with space',
      pos,
    })
    if (relatesTo) {
      const [rel_type, parent] = relatesTo
      writes.put('relation', {
        room_nid: 1,
        parent_id: id(parent),
        event_nid: nid,
        rel_type,
        type,
        sender,
        pos,
      })
    }
  }
  const result = await db.database.commitStore().commit([{ shard, epoch: 1, after: 0, writes: [writes] }])
  assert.equal(result.kind, 'committed')
}

test('events are found by number', limit, async () => {
  await using db = await testDatabase()
  const { reads } = db.database
  await makeRoom(db, [{ nid: 4 }, { nid: 3 }])
  assert.deepEqual(await readEventsByNid(reads, [3]), [
    {
      nid: 3,
      eventId: id(3),
      type: 'm.room.message',
      stateKey: undefined,
      sender: alice,
      originServerTs: 3,
      json: '{}',
      txn: { deviceId: 'DEVICE', txnId: 'txn with space' },
      redactedBy: undefined,
    },
  ])
  assert.deepEqual(
    (await readEventsByNid(reads, [3, 4, 99])).map((event) => event.nid).toSorted((a, b) => a - b),
    [3, 4],
  )
  assert.deepEqual(await readEventsByNid(reads, []), [])
})

test('an event that was stored before it had a place gets it, and keeps it', limit, async () => {
  await using db = await testDatabase()
  const row = {
    event_nid: 3,
    event_id: id(3),
    room_nid: 1,
    type: 't',
    state_key: null,
    sender: alice,
    origin_server_ts: 3,
    json: '{}',
  }
  const place = async (): Promise<unknown> =>
    (await db.database.reads.sql`select pos from event where event_nid = 3`)[0]?.['pos']
  await db.database.bulk([{ kind: 'event', row: { ...row, txn: null } }])
  assert.equal(await place(), null)
  await makeRoom(db, [{ nid: 3 }])
  assert.equal(await place(), 1)
  await db.database.bulk([{ kind: 'event', row: { ...row, txn: null } }])
  assert.equal(await place(), 1)
})

test('the state at a position is that of the last row at or before it', limit, async () => {
  await using db = await testDatabase()
  await makeRoom(db, [
    { nid: 1, log: { stateRoot: roots[1] ?? '' } },
    { nid: 2, log: { stateRoot: roots[2] ?? '' } },
  ])
  const { reads } = db.database
  assert.deepEqual(await Promise.all([0, 1, 2, 7].map((pos) => rootAt(reads, 1, pos))), [
    undefined,
    roots[1],
    roots[2],
    roots[2],
  ])
})

test('state nodes are read by id, those of another room are not', limit, async () => {
  await using db = await testDatabase()
  const node = bucketNode([])
  const row = {
    id: Buffer.from(nodeIdToBytes(node.id)).toString('base64'),
    data: Buffer.from(node.data, 'latin1').toString('base64'),
  }
  await db.database.bulk([{ kind: 'state_node', row: { room_nid: 1, ...row } }])
  assert.deepEqual(await readStateNodes(db.database.reads, 1, [node.id, roots[1] ?? node.id]), [node])
  assert.deepEqual(await readStateNodes(db.database.reads, 2, [node.id]), [])
})

test('threads are read by their last reply', limit, async () => {
  await using db = await testDatabase()
  await makeRoom(db, [
    { nid: 1 },
    { nid: 2 },
    { nid: 3, relatesTo: ['m.thread', 1], sender: bob },
    { nid: 4, relatesTo: ['m.annotation', 1], type: 'm.reaction' },
    { nid: 5, relatesTo: ['m.thread', 2] },
    { nid: 6, relatesTo: ['m.thread', 1], sender: bob },
  ])
  const { reads } = db.database
  const threads = { roomNid: 1, before: 100, limit: 10 }
  assert.deepEqual(
    [...(await readThreads(reads, threads))],
    [
      { rootId: id(1), lastPos: 6 },
      { rootId: id(2), lastPos: 5 },
    ],
  )
  assert.deepEqual(
    [...(await readThreads(reads, { ...threads, participant: bob }))],
    [{ rootId: id(1), lastPos: 6 }],
  )
  assert.deepEqual(
    [...(await readThreads(reads, { ...threads, before: 6 }))],
    [{ rootId: id(2), lastPos: 5 }],
  )
})

test('a later receipt replaces an earlier one of the same thread', limit, async () => {
  await using db = await testDatabase()
  await makeRoom(db, [{ nid: 1 }])
  const writes = new ShardWrites(shard)
  for (const [event_pos, thread_id] of [
    [1, ''],
    [2, ''],
    [3, 'main'],
  ] as const) {
    const pos = writes.append({ kind: 'receipt', roomNid: 1, body: '{}' })
    writes.put('receipt', {
      room_nid: 1,
      user_id: bob,
      receipt_type: 'm.read',
      thread_id,
      event_id: id(1),
      ts: 1,
      pos,
      event_pos,
    })
  }
  await db.database.commitStore().commit([{ shard, epoch: 1, after: 1, writes: [writes] }])
  const receipts = await readReceiptsOfUser(db.database.reads, bob, [1])
  assert.deepEqual(
    receipts.map((receipt) => [receipt.threadId, receipt.eventPos]),
    [
      ['', 2],
      ['main', 3],
    ],
  )
  assert.equal((await readReceiptsOfUser(db.database.reads, alice, [1])).length, 0)
})
