/** A storm: one fault after the other, chosen by a seed, while a crowd talks. Faults may overlap. */

import { setTimeout as delay } from 'node:timers/promises'
import { Scene, type Fault, type SceneOptions } from './scene.ts'

export interface StormOptions extends SceneOptions {
  readonly faults: readonly Fault[]
}

const betweenMs = 4000

export class Storm {
  readonly #faults: readonly Fault[]
  readonly #scene: Scene
  /** Each kind comes once before any comes again, so that a short storm has all of them. */
  #left: Fault[] = []

  constructor(options: StormOptions) {
    this.#faults = options.faults
    this.#scene = new Scene(options)
  }

  /** Does harm for so long, and ends when everything is whole again. Rejects when something does not come back. */
  async rage(durationMs: number): Promise<void> {
    const endMs = performance.now() + durationMs
    while (performance.now() < endMs) {
      const nextMs = performance.now() + betweenMs
      if (this.#left.length === 0) this.#left = [...this.#faults]
      const fault = this.#scene.oneOf(this.#left)
      this.#left = this.#left.filter((other) => other !== fault)
      await fault?.(this.#scene)
      await delay(Math.max(0, nextMs - performance.now()))
    }
    await this.#scene.calm()
  }
}
