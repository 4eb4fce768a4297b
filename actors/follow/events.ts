/** What following tells whoever wants to log, count or wait for it. Publishing costs nothing while nobody listens. */

import { channel } from 'node:diagnostics_channel'

/** Channel `troupe:follow`. */
export interface FollowEvent {
  readonly what:
    | 'established' // a chain with the owner of a shard has begun
    | 'broken' // what was known of a shard is no longer complete
    | 'request-failed' // the owner did not answer
    | 'serve-failed' // requests to follow a shard of this host cannot be received
    | 'poll-failed' // Postgres did not answer
  readonly shard?: number
  readonly why?: string
  readonly error?: unknown
}

export const followChannel = channel('troupe:follow')

/** Publishes on `troupe:follow`. */
export function reportFollow(event: FollowEvent): void {
  if (followChannel.hasSubscribers) followChannel.publish(event)
}
