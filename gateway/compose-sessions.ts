/** The sessions that a gateway keeps, put together: the same for a process that is started and for one that is simulated (`test/simulation/`). */

import { SessionRows } from '#actors/follow/sessions.ts'
import type { Clock } from '#actors/runtime/clock.ts'
import type { FeedHooks } from '#actors/runtime/feed-hooks.ts'
import type { Reads } from '#storage/reads.ts'
import { readSession } from '#storage/users/tokens.ts'
import { SessionCache } from './http/session-cache.ts'

export interface SessionsOptions {
  readonly reads: Reads
  readonly clock: Clock
  /** Of what this process commits. */
  readonly hooks: FeedHooks
}

export interface Sessions {
  readonly cache: SessionCache
  /** How the cache learns of sessions that have ended. */
  readonly rows: SessionRows
}

/** A cache that learns of every session that ends. `stack` disposes of it. Throws what the database throws. */
export async function composeSessions(
  stack: AsyncDisposableStack,
  { clock, hooks, reads }: SessionsOptions,
): Promise<Sessions> {
  const rows = stack.use(new SessionRows({ reads, clock }))
  await rows.start()
  hooks.onCommitted((batch) => rows.committed(batch))
  const cache = new SessionCache({ find: (hash) => readSession(reads, hash), feed: rows, clock })
  return { cache, rows }
}
