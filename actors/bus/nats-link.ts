/**
 * The connection to NATS, which comes and goes.
 *
 *   connecting ──► connected ──► connecting ──► … ──► closed
 *
 * A lost connection is replaced for ever, after a short random wait, and every subscription is made again on the new one
 * before it counts as healthy. Nothing waits for a connection: what cannot be sent now is refused at once. What is sent but
 * not yet taken by the server is bounded, so that a server that stands still costs no memory.
 */

import { reportBus } from './events.ts'
import type { NatsConnection, NatsDial, NatsMessage, NatsSubscription } from './nats-client.ts'
import { natsRefusal } from './nats-refusal.ts'
import { answeringServer } from './nats-probe.ts'
import { NatsPulse } from './nats-pulse.ts'
import type { NatsAddress } from './nats-url.ts'
import { atMost, type Clock, delay, type Random } from '../runtime/clock.ts'

export interface NatsLinkOptions {
  readonly address: NatsAddress
  readonly dial: NatsDial
  readonly clock: Clock
  readonly random: Random
  /** Most bytes that are sent and not yet confirmed by the server. */
  readonly maxUnconfirmedBytes: number
}

export interface LinkSubscription {
  /** Ends it; messages that the server had sent are still delivered. Idempotent. */
  close(): Promise<void>
}

export type SendOutcome = 'sent' | 'disconnected' | 'congested'

interface Registration {
  readonly subject: string
  readonly onMessage: (message: NatsMessage) => void
  attached: NatsSubscription | undefined
  refusal: Error | undefined
}

const dialTimeoutMs = 3_000
const firstBackoffMs = 50
const lastBackoffMs = 1_000
/** How long the end of a subscription may take, milliseconds. */
const drainMs = 2_000
/** How long closing waits for an attempt to connect, milliseconds. */
const closeMs = 500
/** Confirmation is asked for each time so much has been sent. */
const confirmEveryBytes = 256 * 1024
/** Larger frames would hold up everybody else on the connection. */
const largestFrameBytes = 1024 * 1024

export class NatsLink {
  readonly #options: NatsLinkOptions
  readonly #registrations = new Set<Registration>()
  readonly #healthListeners = new Set<(healthy: boolean) => void>()
  readonly #closing = new AbortController()
  #connection: NatsConnection | undefined
  /** Resolves when the present connection is lost, with the reason. */
  #lost: Promise<unknown> = Promise.resolve()
  /** Gives the present connection up. */
  #lose: ((reason: string) => void) | undefined
  #pulse: NatsPulse | undefined
  #healthy = false
  #sentBytes = 0
  #confirmedBytes = 0
  #confirming = false
  #loop: Promise<void> | undefined

  constructor(options: NatsLinkOptions) {
    this.#options = options
  }

  get healthy(): boolean {
    return this.#healthy
  }

  /** Milliseconds since the server of the last connection was heard of; zero before the first. */
  get silentMs(): number {
    return this.#pulse?.silentMs ?? 0
  }

  /** Largest NATS message that the present server takes, bytes. */
  get maxFrameBytes(): number {
    return Math.min(this.#connection?.info?.max_payload ?? largestFrameBytes, largestFrameBytes)
  }

  onHealth(listener: (healthy: boolean) => void): () => void {
    // A wrapper, so that the same function can be added twice and each be removed by itself.
    const entry = (healthy: boolean): void => listener(healthy)
    this.#healthListeners.add(entry)
    return () => this.#healthListeners.delete(entry)
  }

  /** Begins to connect. Resolves when connected, or after `waitMs` at the latest, and goes on trying. */
  async start(waitMs: number): Promise<void> {
    const connected = Promise.withResolvers<void>()
    const end = this.onHealth(() => connected.resolve())
    this.#loop = this.#run()
    await atMost(this.#options.clock, waitMs, Promise.race([connected.promise, this.#loop]))
    end()
  }

  /**
   * Sends the frames of one message, all or none. They are written together with what else is sent in this turn. `reply`
   * goes with every frame.
   */
  send(subject: string, frames: readonly Uint8Array[], reply?: string): SendOutcome {
    const connection = this.#connection
    if (connection === undefined || connection.isClosed()) return 'disconnected'
    const bytes = frames.reduce((sum, frame) => sum + frame.length, 0)
    if (this.#sentBytes - this.#confirmedBytes + bytes > this.#options.maxUnconfirmedBytes) return 'congested'
    for (const frame of frames) connection.publish(subject, frame, reply === undefined ? {} : { reply })
    this.#sentBytes += bytes
    this.#confirm(connection)
    return 'sent'
  }

  /**
   * Subscribes on this connection and on all that follow. Resolves when the server knows, or at once while there is none.
   * Rejects with the server's refusal, e.g. for want of a permission.
   */
  async subscribe(subject: string, onMessage: (message: NatsMessage) => void): Promise<LinkSubscription> {
    const registration: Registration = { subject, onMessage, attached: undefined, refusal: undefined }
    this.#registrations.add(registration)
    const connection = this.#connection
    if (connection !== undefined && !connection.isClosed()) {
      this.#attach(connection, registration)
      // A connection that is lost meanwhile is replaced, and the subscription with it.
      await this.#answered(connection)
      if (registration.refusal !== undefined) {
        this.#registrations.delete(registration)
        throw registration.refusal
      }
    }
    return { close: () => this.#unsubscribe(registration) }
  }

  /** Whatever was sent so far has reached the server, or the connection is gone. */
  async flush(): Promise<void> {
    const connection = this.#connection
    if (connection !== undefined && !connection.isClosed()) await this.#answered(connection)
  }

  /** Gives the connection up, whatever is still under way on it, and makes no other. */
  cut(reason: string): void {
    this.#closing.abort()
    this.#lose?.(reason)
  }

  /** Closes for good. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort()
    this.#registrations.clear()
    await this.#connection?.close()
    // A server that is being dialled may be silent; that connection is closed when it stands.
    if (this.#loop !== undefined) await atMost(this.#options.clock, closeMs, this.#loop)
  }

  async #run(): Promise<void> {
    const { clock, random } = this.#options
    let attempt = 0
    while (!this.#closing.signal.aborted) {
      attempt += 1
      const connection = await this.#dial(attempt)
      if (connection !== undefined) {
        attempt = 0
        await this.#hold(connection)
      }
      const backoffMs = Math.min(lastBackoffMs, firstBackoffMs * 2 ** Math.min(attempt, 10))
      const waitMs = backoffMs * (0.5 + random.fraction() / 2)
      await delay(clock, waitMs, this.#closing.signal).catch(() => {})
    }
  }

  async #dial(attempt: number): Promise<NatsConnection | undefined> {
    const { address, dial, clock, random } = this.#options
    const { signal } = this.#closing
    try {
      const server = await answeringServer(address.servers, {
        clock,
        random,
        timeoutMs: dialTimeoutMs,
        signal,
      })
      const connection = await dial(server, dialTimeoutMs)
      if (!signal.aborted) return connection
      await connection.close()
    } catch (error) {
      const reason = `NATS_URL (${address.label}): ${natsRefusal(error)}`
      if (!signal.aborted) reportBus({ kind: 'connect-failed', attempt, reason })
    }
    return undefined
  }

  /** Uses a connection until it is lost. */
  async #hold(connection: NatsConnection): Promise<void> {
    const lost = Promise.withResolvers<string>()
    void connection.closed().then((error) => lost.resolve(error instanceof Error ? error.message : 'closed'))
    void this.#watch(connection)
    this.#sentBytes = 0
    this.#confirmedBytes = 0
    this.#confirming = false
    this.#connection = connection
    this.#lost = lost.promise
    this.#lose = lost.resolve
    const pulse = new NatsPulse({
      clock: this.#options.clock,
      ping: () => connection.flush(),
      // The client would first write what is pending, which a server that stands still never reads.
      onStill: () => lost.resolve('the server does not answer pings'),
    })
    this.#pulse = pulse
    for (const registration of this.#registrations) this.#attach(connection, registration)
    if (await this.#answered(connection)) this.#setHealthy(true, 'connected')
    const reason = await lost.promise
    pulse.stop()
    this.#connection = undefined
    for (const registration of this.#registrations) registration.attached = undefined
    // Not waited for: a peer that stands still must not hold up the next attempt.
    void connection.close()
    this.#setHealthy(false, `NATS_URL (${this.#options.address.label}): ${reason}`)
  }

  /**
   * Resolves when the server has taken everything that was sent to it: true, or when the connection is gone: false. The client never tells
   * of an answer that was still owed when a connection was closed.
   */
  #answered(connection: NatsConnection): Promise<boolean> {
    const flushed = connection.flush().then(
      () => true,
      () => false,
    )
    return Promise.race([flushed, this.#lost.then(() => false)])
  }

  async #watch(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) {
      if (status.type === 'error' && status.error !== undefined)
        reportBus({ kind: 'server-error', error: status.error })
    }
  }

  #setHealthy(healthy: boolean, reason: string): void {
    if (this.#healthy === healthy) return
    this.#healthy = healthy
    reportBus({ kind: 'health', healthy, reason })
    for (const listener of this.#healthListeners) {
      try {
        listener(healthy)
      } catch (error) {
        reportBus({ kind: 'threw', adapter: 'nats', target: 'health', error })
      }
    }
  }

  #confirm(connection: NatsConnection): void {
    if (this.#confirming || this.#sentBytes - this.#confirmedBytes < confirmEveryBytes) return
    this.#confirming = true
    const mark = this.#sentBytes
    connection.flush().then(
      () => {
        if (this.#connection !== connection) return
        this.#confirmedBytes = mark
        this.#confirming = false
        this.#confirm(connection)
      },
      // The connection is lost; the next one counts anew.
      () => {},
    )
  }

  async #unsubscribe(registration: Registration): Promise<void> {
    this.#registrations.delete(registration)
    const { attached } = registration
    registration.attached = undefined
    if (attached === undefined) return
    // It fails only when the connection or the subscription is gone already, which is what was wanted, and is never settled when
    // the connection is lost meanwhile or stands still.
    const drained = attached.drain().catch(() => {})
    await atMost(this.#options.clock, drainMs, Promise.race([drained, this.#lost]))
  }

  #attach(connection: NatsConnection, registration: Registration): void {
    const pulse = this.#pulse
    registration.attached = connection.subscribe(registration.subject, {
      callback: (error, message) => {
        if (error !== null) {
          registration.refusal = error
          return
        }
        pulse?.heard()
        try {
          registration.onMessage(message)
        } catch (thrown) {
          // Thrown into the client it would end the reading of this connection.
          reportBus({ kind: 'threw', adapter: 'nats', target: 'connection', error: thrown })
        }
      },
    })
  }
}
