import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RoomId } from '#protocol/ids/room-id.ts'
import type { LogEntry } from '#storage/entry.ts'
import { ManualClock, settle } from '#test/support/manual-clock.ts'
import { MemoryBus } from '../bus/memory.ts'
import { hostSubject, shardSubject } from '../bus/subjects.ts'
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

function entry(pos: number): LogEntry {
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
