/** One request of ours that waits. The first outcome wins: a reply, a failure, the deadline, or the caller's signal. */

import { BusError, type BusMessage, type RequestOptions } from './bus.ts'
import { type BusAdapter, reportBus, targetOf } from './events.ts'
import type { Subject } from './subjects.ts'
import type { Clock, Timer } from '../runtime/clock.ts'

export class PendingReply {
  readonly promise: Promise<BusMessage>
  readonly #subject: Subject
  readonly #adapter: BusAdapter
  readonly #clock: Clock
  readonly #startedAt: number
  readonly #timeoutMs: number
  readonly #signal: AbortSignal | undefined
  readonly #resolve: (message: BusMessage) => void
  readonly #reject: (error: BusError) => void
  readonly #onAbort = (): void => this.fail(new BusError('aborted', `${this.#subject}: the caller gave up`))
  readonly #timer: Timer
  #settled = false
  #onSettled: ((failure: BusError | undefined) => void) | undefined
  #expiry: (() => BusError) | undefined

  constructor(adapter: BusAdapter, subject: Subject, clock: Clock, options: RequestOptions) {
    const { promise, resolve, reject } = Promise.withResolvers<BusMessage>()
    this.promise = promise
    this.#resolve = resolve
    this.#reject = reject
    this.#adapter = adapter
    this.#subject = subject
    this.#clock = clock
    this.#startedAt = clock.monotonic()
    this.#timeoutMs = Math.max(0, options.timeoutMs)
    this.#signal = options.signal
    this.#timer = clock.after(this.#timeoutMs, () => this.#expire())
    if (options.signal?.aborted) this.#onAbort()
    else options.signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  get isSettled(): boolean {
    return this.#settled
  }

  /** Milliseconds that the caller still waits, at least 0. */
  get remainingMs(): number {
    return Math.max(0, this.#startedAt + this.#timeoutMs - this.#clock.monotonic())
  }

  /** Called once, with the failure if it is one, when the outcome is known; not at all if it already is. */
  onSettled(run: (failure: BusError | undefined) => void): void {
    this.#onSettled = run
  }

  /** Says what the deadline means, where it means more than that nobody answered. */
  onExpiry(explain: () => BusError): void {
    this.#expiry = explain
  }

  succeed(message: BusMessage): void {
    if (!this.#settle(undefined)) return
    this.#resolve(message)
  }

  fail(error: BusError): void {
    if (!this.#settle(error)) return
    this.#reject(error)
  }

  #expire(): void {
    const error =
      this.#expiry?.() ?? new BusError('timeout', `${this.#subject}: no reply in ${this.#timeoutMs} ms`)
    this.fail(error)
  }

  #settle(failure: BusError | undefined): boolean {
    if (this.#settled) return false
    this.#settled = true
    this.#timer.cancel()
    this.#signal?.removeEventListener('abort', this.#onAbort)
    reportBus({
      kind: 'request',
      adapter: this.#adapter,
      target: targetOf(this.#subject),
      outcome: failure?.kind ?? 'ok',
      ms: this.#clock.monotonic() - this.#startedAt,
    })
    this.#onSettled?.(failure)
    return true
  }
}
