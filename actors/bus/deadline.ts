/** How long the handler of one request may take. The signal is made only when it is asked for: most handlers never do. */

import type { HandlerContext } from './bus.ts'
import type { Clock, Timer } from '../runtime/clock.ts'

export class Deadline implements HandlerContext {
  readonly #clock: Clock
  readonly #endsAt: number
  #controller: AbortController | undefined
  #timer: Timer | undefined
  #cancelled = false

  /** @param timeoutMs milliseconds from now for which the caller waits */
  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock
    this.#endsAt = clock.monotonic() + timeoutMs
  }

  /** Whether nobody waits for the reply any more. */
  get isOver(): boolean {
    return this.#cancelled || this.#clock.monotonic() >= this.#endsAt
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.isOver) this.cancel()
      else this.#timer = this.#clock.after(this.#endsAt - this.#clock.monotonic(), () => this.cancel())
    }
    return this.#controller.signal
  }

  /** The caller gave up: aborts the signal. */
  cancel(): void {
    this.#cancelled = true
    this.release()
    this.#controller?.abort(new DOMException('The caller no longer waits', 'AbortError'))
  }

  /** The handler is done: frees the timer and leaves the signal as it is. */
  release(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }
}
