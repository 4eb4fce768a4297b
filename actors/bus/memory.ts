/**
 * The bus inside one process: a function call after the caller's turn. Nothing is copied or serialised, so neither side may
 * change what it sent or received. It fails as the other adapter fails: nobody there, silence, a handler that throws.
 */

import { type Bus, BusError, type BusMessage, type BusSubscription, type RequestOptions } from './bus.ts'
import { Deadline } from './deadline.ts'
import { failureText, type Listener, LocalSubjects, type ServeHandler } from './local.ts'
import { PendingReply } from './pending-reply.ts'
import type { Subject } from './subjects.ts'
import type { Clock } from '../runtime/clock.ts'

export class MemoryBus implements Bus {
  readonly healthy = true
  readonly #clock: Clock
  readonly #local = new LocalSubjects('memory')
  readonly #running = new Set<Promise<unknown>>()
  #closed = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  request(subject: Subject, message: BusMessage, options: RequestOptions): Promise<BusMessage> {
    const pending = new PendingReply('memory', subject, this.#clock, options)
    if (this.#closed) pending.fail(new BusError('disconnected', `${subject}: the bus is closed`))
    else if (!this.#local.serves(subject)) {
      pending.fail(new BusError('no-responders', `${subject}: nobody serves it`))
    } else if (!pending.isSettled) this.#ask(pending, subject, message)
    return pending.promise
  }

  serve(subject: Subject, handler: ServeHandler): Promise<BusSubscription> {
    if (this.#closed) return Promise.reject(new BusError('disconnected', `${subject}: the bus is closed`))
    return Promise.resolve(subscription(this.#local.addHandler(subject, handler)))
  }

  publish(subject: Subject, message: BusMessage): void {
    if (!this.#closed) this.#local.tell(subject, message)
  }

  subscribe(subject: Subject, listener: Listener): Promise<BusSubscription> {
    if (this.#closed) return Promise.reject(new BusError('disconnected', `${subject}: the bus is closed`))
    return Promise.resolve(subscription(this.#local.addListener(subject, listener)))
  }

  onHealth(_listener: (healthy: boolean) => void): () => void {
    return () => {}
  }

  /** Stops serving and waits for the requests that are under way, each of which ends by its own deadline. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    this.#local.clear()
    await Promise.allSettled(this.#running)
  }

  #ask(pending: PendingReply, subject: Subject, message: BusMessage): void {
    const deadline = new Deadline(this.#clock, pending.remainingMs)
    pending.onSettled((failure) => {
      if (failure?.kind === 'aborted' || failure?.kind === 'timeout') deadline.cancel()
      else deadline.release()
    })
    const running = pending.promise.then(
      () => {},
      () => {},
    )
    this.#running.add(running)
    void running.then(() => this.#running.delete(running))
    this.#local.ask(subject, message, deadline).then(
      (reply) => {
        // Silence is not an answer, nor is one that comes late: the caller goes on waiting for its own deadline.
        if (reply !== undefined && !deadline.isOver) pending.succeed(reply)
      },
      (error: unknown) => {
        const text = `${subject}: the handler threw ${failureText(error)}`
        pending.fail(new BusError('failed', text, { cause: error }))
      },
    )
  }
}

function subscription(remove: () => void): BusSubscription {
  return {
    close() {
      remove()
      return Promise.resolve()
    },
  }
}
