/**
 * The bus is a port with two adapters, `memory.ts` and `nats.ts`, which pass one contract test (`bus-contract.ts`).
 *
 * It promises little, and nothing above it may assume more: a request is delivered at most once and may be lost, as may its
 * reply; a publication may be lost; nothing is stored. What must not be lost is in Postgres, and everybody who listens also
 * looks there from time to time (DESIGN.md §4).
 */

import type { JsonValue } from '#protocol/json/types.ts'
import type { Subject } from './subjects.ts'

/**
 * What travels: a small plain head, and an optional large body that is not parsed on the way (a sync response, a batch of
 * log entries). In one process both are handed over as they are, so neither may be mutated after sending.
 */
export interface BusMessage {
  readonly head: JsonValue
  readonly body?: string | Uint8Array
}

export interface RequestOptions {
  /** Milliseconds from now until the caller stops waiting. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal
}

/** Serves one subject. What it throws reaches the caller as `BusError` of kind `failed`: expected errors go into replies. */
export type RequestHandler = (
  message: BusMessage,
  context: HandlerContext,
) => Promise<BusMessage> | BusMessage

export interface HandlerContext {
  /** Aborted when the caller's time is over. */
  readonly signal: AbortSignal
}

/** Why a request has no reply. None of them says whether the request was carried out. */
export type BusFailure =
  | 'no-responders' // nobody serves the subject
  | 'timeout'
  | 'disconnected' // not connected to the bus, or the connection was lost while waiting
  | 'failed' // the handler threw, or the reply did not arrive whole
  | 'aborted' // the caller's signal

export class BusError extends Error {
  override readonly name = 'BusError'
  readonly kind: BusFailure
  /** Milliseconds for which the bus had been silent already when the connection was given up; else zero. */
  readonly silentMs: number

  constructor(kind: BusFailure, message: string, options?: ErrorOptions & { readonly silentMs?: number }) {
    super(message, options)
    this.kind = kind
    this.silentMs = options?.silentMs ?? 0
  }
}

export interface BusSubscription {
  /** Stops; requests that are under way are still answered. Resolves when the bus knows. Idempotent. */
  close(): Promise<void>
}

export interface Bus {
  /** Asks whoever serves the subject. Rejects with `BusError`. */
  request(subject: Subject, message: BusMessage, options: RequestOptions): Promise<BusMessage>
  /**
   * Serves requests on a subject; resolves when the bus knows, so that a request sent afterwards finds it. A plain
   * subscription, never a queue group. A handler that returns `undefined` says nothing: the caller hears from another or times out.
   */
  serve(
    subject: Subject,
    handler: (message: BusMessage, context: HandlerContext) => Promise<BusMessage | undefined>,
  ): Promise<BusSubscription>
  /** Tells whoever listens. Never waits, never throws for a lost connection: it is a hint. */
  publish(subject: Subject, message: BusMessage): void
  subscribe(subject: Subject, listener: (message: BusMessage) => void): Promise<BusSubscription>
  /** Whether messages are flowing. `memory` always is. While false, the shards' heads and owners are polled every second. */
  readonly healthy: boolean
  /** Called at each change of `healthy`. Returns a function that ends it. */
  onHealth(listener: (healthy: boolean) => void): () => void
  [Symbol.asyncDispose](): Promise<void>
}
