/** Hosts that were away and are back: how soon they are useful again, and that they wrote nothing that was not theirs any more. */

import { writesOfOldEpochs } from './database-faults.ts'
import type { Told } from './scenario.ts'
import { ms, type Stage } from './stage.ts'

const usefulMs = 5000

export class Returns {
  readonly #stage: Stage
  readonly #useful: number[] = []

  constructor(stage: Stage) {
    this.#stage = stage
  }

  /** A host is back at this moment. Resolves when it has its share of the shards again. */
  async useful(): Promise<void> {
    const beganMs = performance.now()
    await this.#stage.settled()
    this.#useful.push(performance.now() - beganMs)
  }

  async told(): Promise<Told> {
    const zombies = await writesOfOldEpochs(this.#stage.beside)
    const slowest = Math.max(...this.#useful)
    return {
      notes: [`rows by an old epoch after a claim: ${zombies}`, `useful again after ${ms(slowest)}`],
      wrong: [
        ...(zombies === 0 ? [] : [`${zombies} rows were written under an old epoch after a claim`]),
        ...(slowest <= usefulMs ? [] : [`a host was useful again only after ${ms(slowest)}`]),
      ],
    }
  }
}
