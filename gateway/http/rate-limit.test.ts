import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MatrixError } from '#protocol/errors.ts'
import type { Clock } from '#actors/runtime/clock.ts'
import { defaultLimits, RateLimiter } from './rate-limit.ts'

function build(maxBuckets = 100) {
  const state = { nowMs: 0 }
  const clock: Clock = { now: () => 0, monotonic: () => state.nowMs, after: () => ({ cancel() {} }) }
  const limits = { ...defaultLimits, join: { burst: 2, perSecond: 0.5 } }
  return { state, limiter: new RateLimiter({ clock, limits, maxBuckets }) }
}

function retryAfter(run: () => void): unknown {
  try {
    run()
  } catch (error) {
    if (error instanceof MatrixError && error.errcode === 'M_LIMIT_EXCEEDED')
      return error.extra?.['retry_after_ms']
    throw error
  }
  return undefined
}

describe('a rate limit', () => {
  it('allows a burst, then says how long to wait, and allows again after that', () => {
    const { limiter, state } = build()
    assert.equal(
      retryAfter(() => limiter.take('join', 'a')),
      undefined,
    )
    assert.equal(
      retryAfter(() => limiter.take('join', 'a')),
      undefined,
    )
    assert.equal(
      retryAfter(() => limiter.take('join', 'a')),
      2000,
    )
    state.nowMs = 1999
    assert.equal(
      retryAfter(() => limiter.take('join', 'a')),
      1,
    )
    state.nowMs = 2000
    assert.equal(
      retryAfter(() => limiter.take('join', 'a')),
      undefined,
    )
  })

  it('counts each key and class for itself, and never the class none', () => {
    const { limiter } = build()
    for (let i = 0; i < 2; i++) limiter.take('join', 'a')
    assert.equal(
      retryAfter(() => limiter.take('join', 'b')),
      undefined,
    )
    assert.equal(
      retryAfter(() => limiter.take('invite', 'a')),
      undefined,
    )
    for (let i = 0; i < 1000; i++) limiter.take('none', 'a')
  })

  it('forgets the oldest bucket beyond its bound', () => {
    const { limiter } = build(2)
    for (let i = 0; i < 2; i++) limiter.take('join', 'a')
    limiter.take('join', 'b')
    limiter.take('join', 'c')
    assert.equal(
      retryAfter(() => limiter.take('join', 'a')),
      undefined,
    )
  })
})
