/**
 * A clock that stands still until the test moves it, and chance that is not. Tests move it with `advance`, which runs what is due in its
 * order and lets the promises in between settle.
 */

import type { Clock, Random, Timer } from '#actors/runtime/clock.ts'

interface Due {
  readonly atMs: number
  readonly order: number
  readonly run: () => void
}

export class ManualClock implements Clock {
  #nowMs = 1_000_000
  #order = 0
  #due: Due[] = []

  now(): number {
    return 1_700_000_000_000 + this.#nowMs
  }

  monotonic(): number {
    return this.#nowMs
  }

  after(delayMs: number, run: () => void): Timer {
    const due: Due = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, run }
    this.#due.push(due)
    return { cancel: () => void (this.#due = this.#due.filter((one) => one !== due)) }
  }

  /** Timers that wait. */
  get pending(): number {
    return this.#due.length
  }

  /** Moves time on, running timers when their time comes. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms
    await settle()
    for (let next = this.#next(untilMs); next !== undefined; next = this.#next(untilMs)) {
      this.#due = this.#due.filter((one) => one !== next)
      this.#nowMs = Math.max(this.#nowMs, next.atMs)
      next.run()
      await settle()
    }
    this.#nowMs = untilMs
    await settle()
  }

  /** Moves time on without running anything, as for a process that is paused; timers run late, at the next `advance`. */
  pause(ms: number): void {
    this.#nowMs += ms
  }

  #next(untilMs: number): Due | undefined {
    let first: Due | undefined
    for (const due of this.#due) {
      if (due.atMs > untilMs) continue
      if (
        first === undefined ||
        due.atMs < first.atMs ||
        (due.atMs === first.atMs && due.order < first.order)
      )
        first = due
    }
    return first
  }
}

/** Lets everything run that waits for nothing but promises. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Chance from a seed: the same numbers each time. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0 || 1
  const next = (): number => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
  return {
    fraction: next,
    bytes: (length) => Uint8Array.from({ length }, () => Math.floor(next() * 256)),
  }
}
