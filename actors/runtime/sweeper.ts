/** Puts idle activations to sleep, and keeps their number within the memory budget by ending the rest of those used longest ago. */

import type { Activation } from './activation.ts'
import type { Clock, Timer } from './clock.ts'

export interface SweeperOptions {
  readonly clock: Clock
  /** More are not kept while enough of them are idle. */
  readonly maxActivations: number
  readonly activations: () => Iterable<Activation>
}

const intervalMs = 1000

export class Sweeper {
  readonly #options: SweeperOptions
  #timer: Timer | undefined

  constructor(options: SweeperOptions) {
    this.#options = options
  }

  start(): void {
    this.#timer = this.#options.clock.after(intervalMs, () => {
      this.sweep()
      this.start()
    })
  }

  stop(): void {
    this.#timer?.cancel()
  }

  /** One round. */
  sweep(): void {
    const nowMs = this.#options.clock.monotonic()
    const resting: Activation[] = []
    let kept = 0
    for (const activation of this.#options.activations()) {
      kept++
      if (!activation.mayRest) continue
      if (nowMs - activation.usedAtMs < activation.definition.idleMs) {
        resting.push(activation)
        continue
      }
      kept--
      void activation.passivate()
    }
    const excess = kept - this.#options.maxActivations
    if (excess <= 0) return
    resting.sort((a, b) => a.usedAtMs - b.usedAtMs)
    for (const activation of resting.slice(0, excess)) void activation.passivate()
  }
}
