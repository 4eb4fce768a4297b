/** What the sweep tells whoever wants to count or wait for it. Publishing costs nothing while nobody listens. */

import { channel } from 'node:diagnostics_channel'
import type { ExpiredKind, SweptLogKind } from '#storage/sweep/sweep.ts'

/** Channel `troupe:sweep`: a step has ended. Steps that fail are told on `troupe:background`. */
export interface SweepEvent {
  /** The shard of the log; undefined: rows outside of the logs. */
  readonly shard: number | undefined
  readonly deleted: Readonly<Partial<Record<SweptLogKind | ExpiredKind, number>>>
  readonly ms: number
}

export const sweepChannel = channel('troupe:sweep')

/** Publishes on `troupe:sweep`. */
export function reportSweep(event: SweepEvent): void {
  if (sweepChannel.hasSubscribers) sweepChannel.publish(event)
}
