/**
 * Deadlines of many short waits with one timer: a timer for each would cost more than the wait. Ends a wait up to
 * `stepMs` late.
 */

import type { Clock } from './clock.ts'

export interface Expiring {
  /** Monotonic milliseconds. */
  readonly deadlineMs: number
  expire(): void
}

const stepMs = 50

export class DeadlineSet {
  readonly #clock: Clock
  readonly #waiting = new Set<Expiring>()
  #armed = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  add(wait: Expiring): void {
    this.#waiting.add(wait)
    this.#arm()
  }

  delete(wait: Expiring): void {
    this.#waiting.delete(wait)
  }

  #arm(): void {
    if (this.#armed) return
    this.#armed = true
    this.#clock.after(stepMs, () => {
      this.#armed = false
      this.#sweep()
      if (this.#waiting.size > 0) this.#arm()
    })
  }

  #sweep(): void {
    const nowMs = this.#clock.monotonic()
    for (const wait of this.#waiting) {
      if (wait.deadlineMs > nowMs) continue
      this.#waiting.delete(wait)
      wait.expire()
    }
  }
}
