import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseUserId } from '#protocol/ids/user-id.ts'
import type { LogEntry } from '#storage/entry.ts'
import { CarriedRows } from './carried.ts'
import type { SyncHost } from './host.ts'

const userId = parseUserId('@ann:test.local')

/** A host with one shard, whose feed and Postgres say what the test wants. */
function hostWith(says: {
  readonly heads: () => number
  readonly proven: () => number | undefined
  readonly incarnation?: () => number
}): SyncHost {
  const feed = {
    shardCount: 1,
    readHeadsNow: async () => ({ incarnation: says.incarnation?.() ?? 1, positions: [says.heads()] }),
    provenTo: () => says.proven(),
  }
  const host = { feed, reads: { sql: async () => [] } }
  // The cast is sound: nothing else of a host is used here.
  return host as unknown as SyncHost
}

function ownRow(pos: number): LogEntry {
  return {
    shard: 0,
    pos,
    epoch: 1,
    kind: 'accountData',
    roomId: undefined,
    roomNid: undefined,
    event: undefined,
    userId,
    membership: undefined,
    prevMembership: undefined,
    stateRoot: undefined,
    body: undefined,
  }
}

test('a chain that began while the heads were being read proves nothing of what lies between', async () => {
  let proven: number | undefined
  const host = hostWith({
    heads: () => {
      // The owner answers the follow request a moment after this statement: two rows have been committed meanwhile.
      proven = 5
      return 3
    },
    proven: () => proven,
  })
  const carried = new CarriedRows(host, userId, () => {})
  await carried.readHeads()
  assert.equal(carried.headsInMemory(), undefined, 'rows 4 and 5 have been handed on by nobody')
})

test('rows that the feed hands on while Postgres is read are taken up after what was read', async () => {
  let proven = 3
  const taken: number[] = []
  const host = hostWith({ heads: () => 3, proven: () => proven })
  const carried = new CarriedRows(host, userId, (entry) => void taken.push(entry.pos))
  const reading = carried.readHeads()
  await Promise.resolve()
  proven = 4
  carried.take(ownRow(4))
  await reading
  assert.deepEqual(taken, [4])
  assert.deepEqual(carried.headsInMemory(), [4])
})

test('rows that were taken up before the database lost commits are not gone on from', async () => {
  let incarnation = 1
  const carried = new CarriedRows(
    hostWith({ heads: () => 3, proven: () => undefined, incarnation: () => incarnation }),
    userId,
    () => {},
  )
  await carried.readHeads()
  incarnation = 2
  await assert.rejects(carried.readHeads(), { name: 'Discarded' })
})

test('what the feed has proven does not take back what Postgres has said', async () => {
  const carried = new CarriedRows(hostWith({ heads: () => 5, proven: () => 3 }), userId, () => {})
  await carried.readHeads()
  assert.deepEqual(carried.headsInMemory(), [5])
})
