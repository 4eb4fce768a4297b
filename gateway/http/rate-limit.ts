/**
 * Token buckets per class of request and per user or address. A bucket holds up to `burst` requests and gains `perSecond`.
 *
 * The buckets of a class are bounded: beyond the limit the one that was made first goes, and with it what its owner had used up. So an
 * attacker with many addresses can regain his burst, but never memory.
 */

import { MatrixError } from '#protocol/errors.ts'
import type { Clock } from '#actors/runtime/clock.ts'
import type { Limits, RateLimitClass } from './endpoint.ts'

/** A limit: what may come at once, and what may come in the long run. */
export interface Limit {
  readonly burst: number
  readonly perSecond: number
}

/** The limits of a busy, ordinary client, several times over. */
export const defaultLimits: Readonly<Record<Exclude<RateLimitClass, 'none'>, Limit>> = {
  message: { burst: 100, perSecond: 10 },
  join: { burst: 30, perSecond: 1 },
  invite: { burst: 60, perSecond: 1 },
  login: { burst: 20, perSecond: 0.2 },
  registration: { burst: 10, perSecond: 0.1 },
  read: { burst: 200, perSecond: 20 },
  write: { burst: 100, perSecond: 10 },
  media: { burst: 50, perSecond: 2 },
}

/** Classes that count per address, because nobody has logged in yet. */
export const perAddress: ReadonlySet<RateLimitClass> = new Set(['login', 'registration'])

interface Bucket {
  level: number
  atMs: number
}

export interface RateLimiterOptions {
  readonly clock: Clock
  readonly limits?: Readonly<Record<Exclude<RateLimitClass, 'none'>, Limit>>
  /** The most buckets of one class. Default 20,000. */
  readonly maxBuckets?: number
}

export class RateLimiter implements Limits {
  readonly #clock: Clock
  readonly #limits: Readonly<Record<Exclude<RateLimitClass, 'none'>, Limit>>
  readonly #maxBuckets: number
  readonly #buckets = new Map<RateLimitClass, Map<string, Bucket>>()

  constructor(options: RateLimiterOptions) {
    this.#clock = options.clock
    this.#limits = options.limits ?? defaultLimits
    this.#maxBuckets = options.maxBuckets ?? 20_000
  }

  /** Takes one from a bucket. Throws M_LIMIT_EXCEEDED with the milliseconds until there is one again. */
  take(limitClass: RateLimitClass, key: string): void {
    if (limitClass === 'none') return
    const limit = this.#limits[limitClass]
    const nowMs = this.#clock.monotonic()
    const bucket = this.#bucket(limitClass, key, limit, nowMs)
    bucket.level = Math.min(limit.burst, bucket.level + ((nowMs - bucket.atMs) / 1000) * limit.perSecond)
    bucket.atMs = nowMs
    if (bucket.level < 1) throw limitExceeded(Math.ceil(((1 - bucket.level) / limit.perSecond) * 1000))
    bucket.level -= 1
  }

  #bucket(limitClass: RateLimitClass, key: string, limit: Limit, nowMs: number): Bucket {
    const buckets = this.#buckets.getOrInsertComputed(limitClass, () => new Map<string, Bucket>())
    const known = buckets.get(key)
    if (known !== undefined) return known
    if (buckets.size >= this.#maxBuckets) {
      const first = buckets.keys().next()
      if (first.done !== true) buckets.delete(first.value)
    }
    const made = { level: limit.burst, atMs: nowMs }
    buckets.set(key, made)
    return made
  }
}

/** Limits nothing: for tests and trusted networks. */
export const unlimited: Limits = { take() {} }

/** M_LIMIT_EXCEEDED (429) with the milliseconds after which to try again. Client-server API v1.19, "Rate limiting". */
export function limitExceeded(retryAfterMs: number): MatrixError {
  return new MatrixError('M_LIMIT_EXCEEDED', 'Too many requests; try again later.', {
    extra: { retry_after_ms: retryAfterMs },
  })
}
