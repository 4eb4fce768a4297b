/**
 * Says what a start is doing, but only what takes longer than a second: a quick start says nothing.
 */

import type { Clock, Timer } from '#actors/runtime/clock.ts'

/** Milliseconds after which a step is worth a line. */
const patienceMs = 1000

export class SlowSteps {
  readonly #clock: Clock
  readonly #write: (text: string) => void
  #timer: Timer | undefined = undefined

  constructor(clock: Clock, write: (text: string) => void) {
    this.#clock = clock
    this.#write = write
  }

  /** A step begins, and the one before has ended. */
  readonly begin = (text: string): void => {
    this.#timer?.cancel()
    this.#timer = this.#clock.after(patienceMs, () => this.#write(`${text}\n`))
  }

  /** The last step has ended. */
  end(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }
}
