/** What the bus needs of a NATS client: one connection, for as long as it lasts. `nats.ts` provides it from the library. */

export interface NatsMessage {
  readonly subject: string
  readonly reply?: string
  /** Valid beyond the callback. */
  readonly data: Uint8Array
  /** `code` 503 on an empty message: nobody subscribes to what the message asked. */
  readonly headers?: { readonly code: number }
}

export interface NatsSubscription {
  /** Ends it; messages that the server had sent before are still delivered. Rejects when it has ended already. */
  drain(): Promise<void>
}

export interface NatsConnection {
  readonly info?: { readonly max_payload: number }
  /** Written with all else of the same turn. */
  publish(subject: string, payload: Uint8Array, options?: { reply?: string }): void
  /** The error of the callback is the server's refusal of the subscription. */
  subscribe(
    subject: string,
    options: { callback: (error: Error | null, message: NatsMessage) => void },
  ): NatsSubscription
  /** Resolves when the server has taken everything sent before; rejects when the connection is lost. */
  flush(): Promise<void>
  isClosed(): boolean
  close(): Promise<void>
  /** Resolves when the connection is lost or closed. */
  closed(): Promise<unknown>
  /** `error`: the server complains. Ends with the connection. */
  status(): AsyncIterable<{ readonly type: string; readonly error?: Error }>
}

/** Connects to one server, `host:port`; rejects when it has not greeted and admitted us in time. */
export type NatsDial = (server: string, timeoutMs: number) => Promise<NatsConnection>
