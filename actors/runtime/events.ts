/**
 * What the runtime tells whoever wants to log, count or wait for it. Publishing costs nothing while nobody listens. Labels
 * are few; keys of actors are for logs and tests, never for metrics.
 */

import { channel } from 'node:diagnostics_channel'
import type { ActorKind } from '../bus/subjects.ts'

/** Channel `troupe:activation`: an activation has entered a state, or ended and why, or has a turn that does not end. */
export interface ActivationEvent {
  readonly kind: ActorKind
  readonly key: string
  readonly what: 'loading' | 'active' | 'draining' | 'gone' | 'load-failed' | 'discarded' | 'parked' | 'stuck'
  /** The kind of the request whose turn does not end. */
  readonly request?: string
  readonly error?: unknown
}

/** Channel `troupe:shard`: this host's hold on a shard, or on its lease (`shard` -1), has changed. */
export interface ShardEvent {
  readonly shard: number
  readonly epoch: number
  readonly what:
    | 'claimed'
    | 'serving'
    | 'leaving'
    | 'released'
    | 'lost'
    | 'behind'
    | 'host-joined'
    | 'host-lapsed'
    | 'host-draining'
    | 'renew-late'
    /** A group of decisions has not been answered by Postgres for seconds. */
    | 'commits-stall'
    /** Postgres gives no connections for commits; the error says what to do. */
    | 'no-connections'
    /** Others can reach the bus and this host cannot: it hands its shards over. */
    | 'host-cut-off'
    | 'host-reachable'
    | 'error'
  readonly error?: unknown
}

/** Channel `troupe:mailbox`: a request had to wait (`depth` requests are waiting) or was refused because too many do. */
export interface MailboxEvent {
  readonly kind: ActorKind
  readonly depth: number
  readonly refused: boolean
}

/** Channel `troupe:commit`: one call of the store has ended. */
export interface CommitEvent {
  readonly rows: number
  readonly shards: number
  readonly ms: number
  readonly result: 'committed' | 'fenced' | 'behind' | 'seen' | 'content' | 'weather'
  readonly error?: unknown
}

/** Channel `troupe:background`: work that nobody waits for has begun, ended or failed. */
export interface BackgroundEvent {
  readonly kind: ActorKind | 'runtime'
  readonly name: string
  readonly what: 'started' | 'ended' | 'failed'
  readonly error?: unknown
}

export const activationChannel = channel('troupe:activation')
export const shardChannel = channel('troupe:shard')
export const mailboxChannel = channel('troupe:mailbox')
export const commitChannel = channel('troupe:commit')
export const backgroundChannel = channel('troupe:background')

/** Publishes on `troupe:activation`. */
export function reportActivation(event: ActivationEvent): void {
  if (activationChannel.hasSubscribers) activationChannel.publish(event)
}

/** Publishes on `troupe:shard`. */
export function reportShard(event: ShardEvent): void {
  if (shardChannel.hasSubscribers) shardChannel.publish(event)
}

/** Publishes on `troupe:mailbox`. */
export function reportMailbox(event: MailboxEvent): void {
  if (mailboxChannel.hasSubscribers) mailboxChannel.publish(event)
}

/** Publishes on `troupe:commit`. */
export function reportCommit(event: CommitEvent): void {
  if (commitChannel.hasSubscribers) commitChannel.publish(event)
}

/** Publishes on `troupe:background`. */
export function reportBackground(event: BackgroundEvent): void {
  if (backgroundChannel.hasSubscribers) backgroundChannel.publish(event)
}

/** Calls listeners that are not the runtime's own; what one throws is reported and disturbs nobody else. */
export function guarded(name: string, run: () => void): void {
  try {
    run()
  } catch (error) {
    reportBackground({ kind: 'runtime', name, what: 'failed', error })
  }
}
