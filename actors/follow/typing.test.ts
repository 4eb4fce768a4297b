/** Typing is nowhere stored: what followers know of it ends with the owner who told them. */

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { ManualClock, seededRandom } from '#test/support/manual-clock.ts'
import { MemoryBus } from '../bus/memory.ts'
import { hostSubject } from '../bus/subjects.ts'
import { FeedHooks } from '../runtime/feed-hooks.ts'
import { HostFeed } from './follower.ts'
import { FollowLeader } from './leader.ts'
import { ephemeralMessage } from './wire.ts'

const shard = 3
const roomId = '!room:test.local'
const ann = '@ann:test.local'

function world() {
  const clock = new ManualClock()
  const bus = new MemoryBus(clock)
  const hooks = new FeedHooks()
  // Nothing is polled here.
  const common = { bus, clock, shardCount: 8, reads: { sql: undefined as never } }
  const owner = new HostFeed({ ...common, random: seededRandom(1) })
  const leader = new FollowLeader({ bus, clock, hooks, local: owner, shardCount: 8 })
  const other = new HostFeed({ ...common, random: seededRandom(2) })
  hooks.host('1')
  other.host('2')
  return { bus, clock, hooks, owner, leader, other }
}

test('who was typing when the owner changed is not typing for ever', async () => {
  const { clock, hooks, owner, other, leader } = world()
  await hooks.shard({ what: 'claimed', shard, epoch: 1, head: 0 })
  for (const feed of [owner, other]) feed.follow(roomId, shard)
  await clock.advance(100)
  hooks.ephemeral(shard, { type: 'm.typing', roomId, userIds: [ann] })
  await clock.advance(10)
  assert.deepEqual(other.typing(roomId).userIds, [ann])
  assert.deepEqual(owner.typing(roomId).userIds, [ann])
  const told: (readonly string[])[] = []
  other.onEphemeral(({ userIds }) => void told.push(userIds))

  await hooks.shard({ what: 'lost', shard, epoch: 1, head: 0 })
  await hooks.shard({ what: 'claimed', shard, epoch: 2, head: 0 })
  await clock.advance(25_000)
  assert.deepEqual(other.typing(roomId).userIds, [])
  assert.deepEqual(told, [[]])
  assert.deepEqual(owner.typing(roomId).userIds, [])
  await leader[Symbol.asyncDispose]()
})

test('who types is told to a host that begins to follow, and to nobody twice', async () => {
  const { clock, hooks, other, leader } = world()
  await hooks.shard({ what: 'claimed', shard, epoch: 1, head: 0 })
  hooks.ephemeral(shard, { type: 'm.typing', roomId, userIds: [ann] })
  const told: (readonly string[])[] = []
  other.onEphemeral(({ userIds }) => void told.push(userIds))
  other.follow(roomId, shard)
  await clock.advance(45_000)
  assert.deepEqual(told, [[ann]])
  await leader[Symbol.asyncDispose]()
})

test('who types is told to the feed of the owner that begins to follow, too', async () => {
  const { hooks, owner, leader } = world()
  await hooks.shard({ what: 'claimed', shard, epoch: 1, head: 0 })
  hooks.ephemeral(shard, { type: 'm.typing', roomId, userIds: [ann] })
  owner.follow(roomId, shard)
  assert.deepEqual(owner.typing(roomId).userIds, [ann])
  owner.unfollow(roomId, shard)
  hooks.ephemeral(shard, { type: 'm.typing', roomId, userIds: [] })
  owner.follow(roomId, shard)
  assert.deepEqual(owner.typing(roomId).userIds, [])
  await leader[Symbol.asyncDispose]()
})

test('what the owner before said of typing and comes late is not believed by the owner', async () => {
  const { bus, clock, hooks, owner, leader } = world()
  owner.follow(roomId, shard)
  await hooks.shard({ what: 'claimed', shard, epoch: 2, head: 0 })
  bus.publish(
    hostSubject('1'),
    ephemeralMessage({ type: 'm.typing', roomId, userIds: [ann] }, { epoch: 1, typed: 1 }),
  )
  await clock.advance(45_000)
  assert.deepEqual(owner.typing(roomId).userIds, [])
  await leader[Symbol.asyncDispose]()
})

test('an end of typing that overtakes the answer to a follow request is not taken back by it', async () => {
  const { bus, clock, hooks, other, leader } = world()
  await hooks.shard({ what: 'claimed', shard, epoch: 2, head: 0 })
  hooks.ephemeral(shard, { type: 'm.typing', roomId, userIds: [ann] })
  other.follow(roomId, shard)
  bus.publish(
    hostSubject('2'),
    ephemeralMessage({ type: 'm.typing', roomId, userIds: [] }, { epoch: 2, typed: 2 }),
  )
  await clock.advance(100)
  assert.deepEqual(other.typing(roomId).userIds, [])
  hooks.ephemeral(shard, { type: 'm.typing', roomId, userIds: [] })
  await clock.advance(45_000)
  assert.deepEqual(other.typing(roomId).userIds, [])
  await leader[Symbol.asyncDispose]()
})

test('what the owner before said of typing and comes late is not believed elsewhere either', async () => {
  const { bus, clock, hooks, other, leader } = world()
  await hooks.shard({ what: 'claimed', shard, epoch: 2, head: 0 })
  other.follow(roomId, shard)
  await clock.advance(100)
  bus.publish(
    hostSubject('2'),
    ephemeralMessage({ type: 'm.typing', roomId, userIds: [ann] }, { epoch: 1, typed: 9 }),
  )
  await clock.advance(100)
  assert.deepEqual(other.typing(roomId).userIds, [])
  await leader[Symbol.asyncDispose]()
})
