/**
 * Whether the server at the other end of a connection still answers. Anything that comes from it shows that it does; after half a second of
 * silence it is pinged. Silence is counted in looks of this process and not by the clock: one that stood still itself has looked once
 * meanwhile, and reads what has come before it looks again.
 */

import type { Clock, Timer } from '../runtime/clock.ts'

const lookEveryMs = 250
/** Looks in silence before it is pinged. */
const pingAfter = 2
/** And before it counts as standing still: two and a half seconds, two of them after a ping. */
const stillAfter = 10

export interface PulseOptions {
  readonly clock: Clock
  /** Resolves when the server has answered; rejects when the connection is lost. */
  readonly ping: () => Promise<unknown>
  /** Called once. */
  readonly onStill: () => void
}

export class NatsPulse {
  readonly #options: PulseOptions
  #silentLooks = 0
  #isPinged = false
  /** Monotonic. */
  #heardAtMs: number
  #timer: Timer | undefined

  constructor(options: PulseOptions) {
    this.#options = options
    this.#heardAtMs = options.clock.monotonic()
    this.#wait()
  }

  /** Milliseconds since the server was heard of. */
  get silentMs(): number {
    return this.#options.clock.monotonic() - this.#heardAtMs
  }

  /** Something has come from the server. */
  heard(): void {
    this.#silentLooks = 0
    this.#heardAtMs = this.#options.clock.monotonic()
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #wait(): void {
    this.#timer = this.#options.clock.after(lookEveryMs, () => this.#look())
  }

  #look(): void {
    this.#silentLooks++
    if (this.#silentLooks >= stillAfter) return this.#options.onStill()
    if (this.#silentLooks >= pingAfter && !this.#isPinged) void this.#ping()
    this.#wait()
  }

  async #ping(): Promise<void> {
    this.#isPinged = true
    try {
      await this.#options.ping()
      this.heard()
    } catch {
      // The connection is lost, as its owner learns otherwise.
    } finally {
      this.#isPinged = false
    }
  }
}
