/**
 * Requests that wait for something to happen. A waiter is made before anything is read, so that what happens while an answer is
 * worked out is not lost: it wakes the waiter before it has begun to wait.
 */

import type { Clock } from '../../runtime/clock.ts'

export class Waiters {
  readonly #open = new Set<Waiter>()
  /** How many are waiting at this moment. */
  waiting = 0

  add(): Waiter {
    const waiter = new Waiter(this)
    this.#open.add(waiter)
    return waiter
  }

  remove(waiter: Waiter): void {
    this.#open.delete(waiter)
  }

  wakeAll(): void {
    for (const waiter of this.#open) waiter.wake()
  }
}

export class Waiter implements Disposable {
  readonly #waiters: Waiters
  readonly #end = Promise.withResolvers<boolean>()

  constructor(waiters: Waiters) {
    this.#waiters = waiters
  }

  wake(): void {
    this.#waiters.remove(this)
    this.#end.resolve(true)
  }

  /** True when woken, also before this call; false when the time is over or the signal is aborted. */
  async wait(clock: Clock, forMs: number, signal: AbortSignal): Promise<boolean> {
    const giveUp = (): void => this.#end.resolve(false)
    const timer = clock.after(Math.max(0, forMs), giveUp)
    signal.addEventListener('abort', giveUp, { once: true })
    if (signal.aborted) giveUp()
    this.#waiters.waiting++
    try {
      return await this.#end.promise
    } finally {
      this.#waiters.waiting--
      timer.cancel()
      signal.removeEventListener('abort', giveUp)
    }
  }

  [Symbol.dispose](): void {
    this.#waiters.remove(this)
  }
}
