import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseUserId } from '#protocol/ids/user-id.ts'
import type { Clock } from '#actors/runtime/clock.ts'
import { type Revocation, SessionCache, type StoredSession } from './session-cache.ts'

const userId = parseUserId('@a:x')
const session: StoredSession = { userId, deviceId: 'D', admin: false, expiresAt: undefined }

/** A cache over a store of one session, with a clock and a feed that the test moves. */
function build(maxEntries = 10) {
  const state = { nowMs: 10_000, seenAtMs: -Infinity, reads: 0, stored: session as StoredSession | undefined }
  let listener: (revocation: Revocation) => void = () => {}
  const clock: Clock = {
    now: () => state.nowMs,
    monotonic: () => state.nowMs,
    after: () => ({ cancel() {} }),
  }
  const feed = {
    seenAtMonotonicMs: () => state.seenAtMs,
    onRevoked: (each: (revocation: Revocation) => void) => {
      listener = each
      return () => {}
    },
  }
  let gate: Promise<void> = Promise.resolve()
  const find = async (): Promise<StoredSession | undefined> => {
    state.reads++
    const found = state.stored
    await gate
    return found
  }
  const cache = new SessionCache({ find, feed, clock, maxEntries })
  return {
    cache,
    state,
    revoke: (revocation: Revocation) => listener(revocation),
    hold: (until: Promise<void>): void => {
      gate = until
    },
  }
}

describe('a cached session', () => {
  it('is asked of the database again after a second without news of revocations', async () => {
    const { cache, state } = build()
    await cache.lookUp('h')
    state.nowMs += 1000
    await cache.lookUp('h')
    assert.equal(state.reads, 1)
    state.nowMs += 1
    await cache.lookUp('h')
    assert.equal(state.reads, 2)
  })

  it('holds as long as the feed keeps up', async () => {
    const { cache, state } = build()
    await cache.lookUp('h')
    state.nowMs += 60_000
    state.seenAtMs = state.nowMs - 900
    assert.equal((await cache.lookUp('h')).kind, 'session')
    assert.equal(state.reads, 1)
  })

  it('ends with its revocation, by device or all at once', async () => {
    const { cache, state, revoke } = build()
    await cache.lookUp('h')
    revoke({ userId, deviceIds: ['other'] })
    assert.equal(cache.size, 1)
    revoke({ userId, deviceIds: ['D'] })
    state.stored = undefined
    assert.equal((await cache.lookUp('h')).kind, 'unknown')
    assert.equal(state.reads, 2)
  })

  it('ends when those of everybody do', async () => {
    const { cache, revoke } = build()
    await cache.lookUp('h')
    revoke({ userId: 'everybody', deviceIds: 'all' })
    assert.equal(cache.size, 0)
  })

  it('is not kept when a revocation arrives while it is read', async () => {
    const { cache, state, revoke, hold } = build()
    const gate = Promise.withResolvers<void>()
    hold(gate.promise)
    const first = cache.lookUp('h')
    state.stored = undefined
    revoke({ userId, deviceIds: 'all' })
    const second = cache.lookUp('h')
    gate.resolve()
    assert.equal((await first).kind, 'session')
    assert.equal((await second).kind, 'unknown')
    assert.equal(cache.size, 0)
  })

  it('is read anew by whoever asks more than a second after a read began that is still under way', async () => {
    const { cache, state, hold } = build()
    const gate = Promise.withResolvers<void>()
    hold(gate.promise)
    const first = cache.lookUp('h')
    // The session ends, and the database is so slow that the feed does not learn of it either.
    state.stored = undefined
    state.nowMs += 1000
    const second = cache.lookUp('h')
    state.nowMs += 1
    const third = cache.lookUp('h')
    assert.equal(state.reads, 2)
    gate.resolve()
    assert.equal((await first).kind, 'session')
    assert.equal((await second).kind, 'session')
    assert.equal((await third).kind, 'unknown')
  })

  it('is expired from its time on', async () => {
    const { cache, state } = build()
    state.stored = { ...session, expiresAt: 10_500 }
    assert.equal((await cache.lookUp('h')).kind, 'session')
    state.nowMs = 10_500
    assert.equal((await cache.lookUp('h')).kind, 'expired')
  })

  it('is read once for requests that come together, and the cache stays bounded', async () => {
    const { cache, state } = build(2)
    await Promise.all([cache.lookUp('h'), cache.lookUp('h')])
    assert.equal(state.reads, 1)
    await cache.lookUp('i')
    await cache.lookUp('j')
    assert.equal(cache.size, 2)
  })
})
