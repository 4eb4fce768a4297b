/**
 * Replies that were ready while there was no connection. Whoever asked may be connected to another node of the bus all the
 * while and still wait, so they are sent as soon as there is a connection again. Bounded in time and bytes.
 */

import type { Clock } from '../runtime/clock.ts'

interface LateReply {
  readonly to: string
  readonly frames: readonly Uint8Array[]
  readonly bytes: number
  readonly untilMs: number
}

/** A caller gives up or asks again in about this time, milliseconds. */
const keepMs = 5_000

export class LateReplies {
  readonly #clock: Clock
  readonly #maxBytes: number
  #replies: LateReply[] = []
  #bytes = 0

  constructor(clock: Clock, maxBytes: number) {
    this.#clock = clock
    this.#maxBytes = maxBytes
  }

  /** Keeps a reply; false if there is no room for it. */
  keep(to: string, frames: readonly Uint8Array[]): boolean {
    const bytes = frames.reduce((sum, frame) => sum + frame.length, 0)
    const now = this.#clock.monotonic()
    if (this.#bytes + bytes > this.#maxBytes) this.#forget(now)
    if (this.#bytes + bytes > this.#maxBytes) return false
    this.#bytes += bytes
    this.#replies.push({ to, frames, bytes, untilMs: now + keepMs })
    return true
  }

  /** Takes out what somebody may still wait for, in the order in which it was kept. */
  take(): readonly LateReply[] {
    this.#forget(this.#clock.monotonic())
    const replies = this.#replies
    this.#replies = []
    this.#bytes = 0
    return replies
  }

  #forget(now: number): void {
    this.#replies = this.#replies.filter(({ untilMs }) => untilMs > now)
    this.#bytes = this.#replies.reduce((sum, { bytes }) => sum + bytes, 0)
  }
}
