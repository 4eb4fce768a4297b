import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseUserId } from '#protocol/ids/user-id.ts'
import type { LogEntry } from '#storage/entry.ts'
import { CarriedRows } from './carried.ts'
import type { SyncHost } from './host.ts'

const user = { userId: parseUserId('@ann:test.local'), shard: 0, epoch: 1 }

/** A host with one shard, whose feed and Postgres say what the test wants. */
function hostWith(says: {
  readonly heads: () => number
  readonly proven: () => number | undefined
  readonly incarnation?: () => number
  readonly epoch?: () => number
}): SyncHost {
  const feed = {
    shardCount: 1,
    readHeadsNow: async () => ({
      incarnation: says.incarnation?.() ?? 1,
      positions: [says.heads()],
      epochs: [says.epoch?.() ?? 1],
    }),
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
    userId: user.userId,
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
  const carried = new CarriedRows(host, user, () => {})
  await carried.readHeads()
  assert.equal(carried.headsInMemory(), undefined, 'rows 4 and 5 have been handed on by nobody')
})

test('rows that the feed hands on while Postgres is read are taken up after what was read', async () => {
  let proven = 3
  const taken: number[] = []
  const host = hostWith({ heads: () => 3, proven: () => proven })
  const carried = new CarriedRows(host, user, (entry) => void taken.push(entry.pos))
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
    user,
    () => {},
  )
  await carried.readHeads()
  incarnation = 2
  await assert.rejects(carried.readHeads(), { name: 'Discarded' })
})

test('an owner who has lost the shard without knowing does not go on to heads that another one has written', async () => {
  let [epoch, head] = [1, 3]
  const host = hostWith({ heads: () => head, proven: () => undefined, epoch: () => epoch })
  const carried = new CarriedRows(host, user, () => {})
  await carried.readHeads()
  // Row 4 is account data, which this one does not have in its memory.
  epoch = 2
  head = 4
  await assert.rejects(carried.readHeads(), { name: 'Discarded' })
  await assert.rejects(new CarriedRows(host, user, () => {}).readHeads(), { name: 'Discarded' })
})

test('what the feed has proven does not take back what Postgres has said', async () => {
  const carried = new CarriedRows(hostWith({ heads: () => 5, proven: () => 3 }), user, () => {})
  await carried.readHeads()
  assert.deepEqual(carried.headsInMemory(), [5])
})
