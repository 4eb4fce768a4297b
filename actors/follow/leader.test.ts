import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RoomId } from '#protocol/ids/room-id.ts'
import { parseUserId } from '#protocol/ids/user-id.ts'
import type { LogEntry } from '#storage/entry.ts'
import { ManualClock, settle } from '#test/support/manual-clock.ts'
import { MemoryBus } from '../bus/memory.ts'
import { hostSubject, shardSubject } from '../bus/subjects.ts'
import { shardOf } from '../runtime/shards.ts'
import { FeedHooks } from '../runtime/feed-hooks.ts'
import { FollowLeader, type LocalFollower } from './leader.ts'
import { followRequest, readFollowReply, readHostMessage, type ChainMessage } from './wire.ts'

const nobody: LocalFollower = {
  host: () => {},
  claimed: () => {},
  lost: () => {},
  committed: () => {},
  ephemeral: () => {},
}
// The cast is sound: it has the form of a room id.
const roomId = '!room:test.local' as RoomId

function entry(pos: number, fields: Partial<LogEntry> = {}): LogEntry {
  return {
    shard: 3,
    pos,
    epoch: 1,
    kind: 'event',
    roomId,
    roomNid: 1,
    event: undefined,
    userId: undefined,
    membership: undefined,
    prevMembership: undefined,
    stateRoot: undefined,
    body: undefined,
    ...fields,
  }
}

test('a follow request that arrives after a later one takes nothing away from what is followed', async () => {
  const clock = new ManualClock()
  const bus = new MemoryBus(clock)
  const hooks = new FeedHooks()
  await using _leader = new FollowLeader({ bus, clock, hooks, local: nobody, shardCount: 8 })
  await hooks.shard({ what: 'claimed', shard: 3, epoch: 1, head: 10 })
  const heard: ChainMessage[] = []
  await bus.subscribe(hostSubject('77'), (message) => {
    const read = readHostMessage(message)
    if (read?.kind === 'entries') heard.push(read.message)
  })
  const ask = (number: number, rooms: readonly string[]): ReturnType<MemoryBus['request']> => {
    const request = followRequest({ hostId: '77', chain: 5, number, rooms, userShards: [] })
    return bus.request(shardSubject(3), request, { timeoutMs: 100 })
  }
  assert.equal(readFollowReply(await ask(2, [roomId]))?.from, 10)
  const late = assert.rejects(ask(1, []), { name: 'BusError', kind: 'timeout' })
  await clock.advance(200)
  await late
  hooks.committed({ shard: 3, epoch: 1, prev: 10, to: 11, entries: [entry(11)] })
  await settle()
  assert.deepEqual(
    heard.map(({ entries, prev, to }) => [prev, to, entries.length]),
    [[10, 11, 1]],
  )
})

test('a row that concerns one user is sent to the host that owns his shard, whatever rooms it follows', async () => {
  const clock = new ManualClock()
  const bus = new MemoryBus(clock)
  const hooks = new FeedHooks()
  await using _leader = new FollowLeader({ bus, clock, hooks, local: nobody, shardCount: 8 })
  await hooks.shard({ what: 'claimed', shard: 3, epoch: 1, head: 10 })
  const heard: number[] = []
  await bus.subscribe(hostSubject('77'), (message) => {
    const read = readHostMessage(message)
    if (read?.kind === 'entries') heard.push(...read.message.entries.map(({ pos }) => pos))
  })
  const userId = parseUserId('@ann:test.local')
  const wanted = { hostId: '77', chain: 5, number: 1, rooms: [], userShards: [shardOf(userId, 8)] }
  await bus.request(shardSubject(3), followRequest(wanted), { timeoutMs: 100 })
  hooks.committed({ shard: 3, epoch: 1, prev: 10, to: 12, entries: [entry(11), entry(12, { userId })] })
  await settle()
  assert.deepEqual(heard, [12])
})
