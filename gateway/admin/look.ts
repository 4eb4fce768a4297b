import { MatrixError } from '#protocol/errors.ts'
import type { JsonValue } from '#protocol/json/types.ts'
import type { Clock } from '#actors/runtime/clock.ts'
import type { ClusterView } from './cluster-view.ts'

/** What the cluster looks like, as JSON. Throws M_NOT_FOUND for a database that is no server's yet, and what the database throws. */
export type Look = () => Promise<JsonValue>

/** However many consoles are open, the cluster is not looked at more often. Milliseconds. */
const freshMs = 400

/** Requests that come close together share one look. */
export function sharedLook(view: () => Promise<ClusterView | undefined>, clock: Clock): Look {
  let latest: Promise<JsonValue> | undefined
  let startedAtMs = Number.NEGATIVE_INFINITY
  return () => {
    const nowMs = clock.monotonic()
    if (latest !== undefined && nowMs - startedAtMs < freshMs) return latest
    startedAtMs = nowMs
    const looking = view().then((seen) => {
      if (seen === undefined) throw new MatrixError('M_NOT_FOUND', 'This database has not been used yet.')
      // The cast is sound: a view is made of text, numbers, nulls, lists and objects alone.
      return seen as unknown as JsonValue
    })
    // A look that failed is not shared with whoever comes later.
    looking.catch(() => {
      if (latest === looking) latest = undefined
    })
    latest = looking
    return looking
  }
}
