/** What the user actors report; see `gateway/ops/` for who listens. */

import { channel } from 'node:diagnostics_channel'

/** Rooms could not be told of a change yet; it is tried again. */
export interface FanoutFailed {
  readonly kind: 'devices' | 'profile'
  readonly shard: number
  readonly error: unknown
}

interface FactChannel<T> {
  publish(fact: T): void
  readonly hasSubscribers: boolean
}

/** `troupe:fanout` */
export const fanoutFailed: FactChannel<FanoutFailed> = channel('troupe:fanout')
