import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { LogEntry } from '#storage/entry.ts'
import type { RoomId } from '#protocol/ids/room-id.ts'
import { Chain } from './chain.ts'
import { Rings } from './rings.ts'
import {
  entriesMessage,
  followReply,
  followRequest,
  readFollowReply,
  readFollowRequest,
  readHostMessage,
} from './wire.ts'
import type { ChainMessage } from './wire.ts'

function entry(pos: number, roomId = '!room:test.local'): LogEntry {
  return {
    shard: 3,
    pos,
    epoch: 1,
    kind: 'event',
    // The cast is sound: the tests' room ids are of the right form.
    roomId: roomId as RoomId,
    roomNid: 1,
    event: undefined,
    userId: undefined,
    membership: undefined,
    prevMembership: undefined,
    stateRoot: undefined,
    body: undefined,
  }
}

function chained(from = 0): Chain {
  const chain = new Chain(3)
  chain.enterAsking(7)
  chain.enterChained(1, from)
  return chain
}

function message(prev: number, to: number, extra: Partial<ChainMessage> = {}): ChainMessage {
  return { shard: 3, epoch: 1, chain: 7, prev, to, entries: [entry(to)], ...extra }
}

describe('a chain', () => {
  it('goes on with the message that follows, and proves its end', () => {
    const chain = chained(10)
    assert.equal(chain.accept(message(10, 12)), 'next')
    assert.equal(chain.accept(message(12, 20)), 'next')
    assert.equal(chain.proven, 20)
  })

  it('passes over a message that comes twice', () => {
    const chain = chained(10)
    assert.equal(chain.accept(message(10, 12)), 'next')
    assert.equal(chain.accept(message(10, 12)), 'void')
    assert.equal(chain.proven, 12)
  })

  it('breaks when a message is missing, at a new epoch, and not for another chain', () => {
    assert.equal(chained(10).accept(message(12, 14)), 'broken')
    assert.equal(chained(10).accept(message(10, 14, { epoch: 2 })), 'broken')
    assert.equal(chained(10).accept(message(12, 14, { chain: 6 })), 'void')
  })

  it('keeps what comes before the reply to its request', () => {
    const chain = new Chain(3)
    chain.enterAsking(7)
    assert.equal(chain.accept(message(10, 12)), 'waiting')
    assert.equal(chain.proven, undefined)
    assert.deepEqual(chain.enterChained(1, 10), [message(10, 12)])
    assert.equal(chain.accept(message(10, 12)), 'next')
  })

  it('never proves a position of which a message was lost, whatever is dropped, repeated or reordered', () => {
    const faults = fc.array(fc.constantFrom('drop', 'repeat', 'swap', 'keep', 'keep', 'keep'), {
      minLength: 1,
      maxLength: 30,
    })
    fc.assert(
      fc.property(faults, (plan) => {
        const sent = plan.map((_, i) => message(i * 2, i * 2 + 2))
        const arriving = sent.flatMap((each, i) =>
          plan[i] === 'drop' ? [] : plan[i] === 'repeat' ? [each, each] : [each],
        )
        for (const [i, fault] of plan.entries()) {
          const [a, b] = [arriving[i], arriving[i + 1]]
          if (fault === 'swap' && a !== undefined && b !== undefined) arriving.splice(i, 2, b, a)
        }
        const chain = chained(0)
        const taken = new Set<number>()
        for (const each of arriving) {
          const verdict = chain.accept(each)
          if (verdict === 'next') taken.add(each.to)
          if (verdict === 'broken') chain.enterUnknown()
          for (let to = 2; to <= (chain.proven ?? 0); to += 2)
            assert.ok(taken.has(to), `${to} is proven and was not taken`)
        }
      }),
    )
  })
})

describe('rings', () => {
  const limits = { entriesPerRoom: 4, entriesInAll: 1000 }

  it('say nothing before they are established, and keep what came meanwhile', () => {
    const rings = new Rings(limits)
    rings.follow('!room:test.local', 3)
    const ring = rings.get('!room:test.local')
    assert.ok(ring)
    rings.push(entry(5))
    rings.push(entry(9))
    assert.equal(ring.after(0), undefined)
    rings.establish(ring, 7)
    assert.equal(ring.after(6), undefined)
    assert.deepEqual(
      ring.after(7)?.map(({ pos }) => pos),
      [9],
    )
  })

  it('know from where on they are complete when they have let go of the oldest', () => {
    const rings = new Rings(limits)
    rings.follow('!room:test.local', 3)
    const ring = rings.get('!room:test.local')
    assert.ok(ring)
    rings.establish(ring, 0)
    for (let pos = 1; pos <= 6; pos++) rings.push(entry(pos))
    assert.equal(ring.after(1), undefined)
    assert.deepEqual(
      ring.after(2)?.map(({ pos }) => pos),
      [3, 4, 5, 6],
    )
    assert.deepEqual(ring.after(6), [])
  })

  it('keep within the bound of all of them together', () => {
    const rings = new Rings({ entriesPerRoom: 100, entriesInAll: 60 })
    for (const room of ['!a:x', '!b:x', '!c:x']) {
      rings.follow(room, 3)
      const ring = rings.get(room)
      if (ring !== undefined) rings.establish(ring, 0)
    }
    for (let pos = 1; pos <= 300; pos++) rings.push(entry(pos, ['!a:x', '!b:x', '!c:x'][pos % 3]))
    const sizes = ['!a:x', '!b:x', '!c:x'].map((room) => rings.get(room)?.size ?? 0)
    assert.ok(sizes.reduce((sum, size) => sum + size, 0) <= 60, sizes.join())
    assert.equal(rings.get('!a:x')?.after(0), undefined)
  })

  it('are gone when nobody is interested any more', () => {
    const rings = new Rings(limits)
    assert.equal(rings.follow('!room:test.local', 3), true)
    assert.equal(rings.follow('!room:test.local', 3), false)
    assert.equal(rings.unfollow('!room:test.local'), false)
    assert.equal(rings.unfollow('!room:test.local'), true)
    assert.equal(rings.get('!room:test.local'), undefined)
  })
})

describe('the wire', () => {
  it('carries entries as they are, less what is undefined', () => {
    const sent = message(4, 6)
    const read = readHostMessage(entriesMessage(sent))
    assert.equal(read?.kind, 'entries')
    assert.deepEqual(read?.kind === 'entries' && read.message, {
      ...sent,
      entries: JSON.parse(JSON.stringify(sent.entries)),
    })
  })

  it('carries requests and replies, and refuses what is none', () => {
    const request = { hostId: '17', chain: 4, number: 2, rooms: ['!a:x'], userShards: [1, 2] }
    assert.deepEqual(readFollowRequest(followRequest(request)), request)
    const reply = { epoch: 3, from: 9, resumed: false, typing: { '!a:x': ['@u:x'] }, typed: 5 }
    assert.deepEqual(readFollowReply(followReply(reply)), reply)
    assert.equal(readFollowRequest({ head: { kind: 'other' } }), undefined)
    assert.equal(readFollowReply({ head: null }), undefined)
    assert.equal(readHostMessage({ head: { kind: 'entries', shard: 1 } }), undefined)
  })
})
