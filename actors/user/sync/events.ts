/** What sync tells whoever wants to log, count or wait for it. Publishing costs nothing while nobody listens. */

import { channel } from 'node:diagnostics_channel'

/** Channel `troupe:sync`: something was computed for a client. */
export interface SyncEvent {
  /** `wake`: a waiting client was told; `initial`: one without a token; else by where the answer came from. */
  readonly what: 'wake' | 'initial' | 'database' | 'rings'
  /** From the beginning of the computation; waiting is not counted. */
  readonly ms: number
}

export const syncChannel = channel('troupe:sync')

/** Publishes on `troupe:sync`. */
export function reportSync(event: SyncEvent): void {
  if (syncChannel.hasSubscribers) syncChannel.publish(event)
}
