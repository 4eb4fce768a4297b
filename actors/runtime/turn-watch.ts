/**
 * Turns that do not end. A turn may wait for Postgres and for nothing else, so that one which lasts is a fault: of the database, or of
 * the actor. It is told once, and in the end its activation is given up, so that the next message is not held up for ever.
 *
 * Time is counted in looks and not by the clock: a process that was paused has not given its turns that time.
 */

import type { Clock } from './clock.ts'

/** What has a turn under way. */
export interface TurnHolder {
  /** The turn has lasted so long; called once. */
  turnLasts(ms: number): void
  /** The turn is not waited for any more. What it decides from now on must not be committed. */
  abandonTurn(ms: number): void
}

const lookEveryMs = 1000
/** So many looks until a turn is told, and until it is given up. */
const looksToTell = 10
const looksToAbandon = 60

export class TurnWatch {
  readonly #clock: Clock
  /** With the number of looks that have found the turn under way. */
  readonly #turns = new Map<TurnHolder, number>()
  #isArmed = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** A turn goes on asynchronously. */
  begin(holder: TurnHolder): void {
    this.#turns.set(holder, 0)
    this.#arm()
  }

  end(holder: TurnHolder): void {
    this.#turns.delete(holder)
  }

  #arm(): void {
    if (this.#isArmed) return
    this.#isArmed = true
    this.#clock.after(lookEveryMs, () => {
      this.#isArmed = false
      this.#look()
      if (this.#turns.size > 0) this.#arm()
    })
  }

  #look(): void {
    for (const [holder, before] of this.#turns) {
      const looks = before + 1
      this.#turns.set(holder, looks)
      if (looks === looksToTell) holder.turnLasts(looks * lookEveryMs)
      if (looks < looksToAbandon) continue
      this.#turns.delete(holder)
      holder.abandonTurn(looks * lookEveryMs)
    }
  }
}
