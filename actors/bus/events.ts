/**
 * Facts about the bus, published once on the diagnostics channel `troupe:bus`. Logs, metrics and tests subscribe; with no
 * subscriber a fact costs a comparison. Labels are of few values; nothing that a user wrote is in them.
 */

import { channel } from 'node:diagnostics_channel'
import type { BusFailure } from './bus.ts'
import type { Subject } from './subjects.ts'

/** Which adapter speaks. */
export type BusAdapter = 'memory' | 'nats'

/** Why a message went nowhere. */
export type DropReason =
  | 'disconnected' // no connection when it was to be sent
  | 'congested' // too much is on its way to the bus and not yet taken by it
  | 'overloaded' // too many requests of one subject are under way here
  | 'malformed' // foreign bytes
  | 'incomplete' // a part was lost
  | 'oversized' // larger than this process sends or accepts
  | 'late' // a reply after its caller's deadline

export type BusFact =
  | {
      readonly kind: 'request'
      readonly adapter: BusAdapter
      /** First token of the subject: `room`, `user` … */
      readonly target: string
      readonly outcome: 'ok' | BusFailure
      readonly ms: number
    }
  | {
      readonly kind: 'dropped'
      readonly adapter: BusAdapter
      readonly target: string
      readonly reason: DropReason
    }
  /** A handler or a listener of ours threw. That is a bug: what is expected goes into replies. */
  | { readonly kind: 'threw'; readonly adapter: BusAdapter; readonly target: string; readonly error: unknown }
  /** The connection came or went. `reason` names the servers, never their credentials. */
  | { readonly kind: 'health'; readonly healthy: boolean; readonly reason: string }
  /** An attempt to connect failed; the next one follows by itself. */
  | { readonly kind: 'connect-failed'; readonly attempt: number; readonly reason: string }
  /** The server complained, e.g. about a permission. */
  | { readonly kind: 'server-error'; readonly error: Error }

export const busChannel = channel('troupe:bus')

/** Publishes a fact, if somebody listens. */
export function reportBus(fact: BusFact): void {
  if (busChannel.hasSubscribers) busChannel.publish(fact)
}

/** First token of a subject, the label under which it is counted. */
export function targetOf(subject: Subject): string {
  const dot = subject.indexOf('.')
  return dot < 0 ? subject : subject.slice(0, dot)
}
