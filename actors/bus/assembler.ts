/**
 * Puts the parts of large messages together again. Parts of one message arrive in order or not at all, so a wrong number
 * means a lost part, and the message is given up. What has arrived of incomplete messages is bounded in bytes, in number
 * and in time.
 */

import type { Frame } from './frame.ts'
import type { Clock, Timer } from '../runtime/clock.ts'

export interface AssemblerLimits {
  /** Largest whole message, bytes. */
  readonly maxMessageBytes: number
  /** Bytes of all incomplete messages together. */
  readonly maxPartialBytes: number
  readonly maxPartials: number
}

export type Assembled =
  | { readonly state: 'whole'; readonly bytes: Uint8Array }
  | { readonly state: 'partial' }
  /** A part was lost, or the message is refused; told once per message. */
  | { readonly state: 'broken'; readonly reason: 'incomplete' | 'oversized' | 'overloaded' }
  /** A later part of a message that was given up, or of which we never saw the beginning. */
  | { readonly state: 'stray' }

interface Partial {
  readonly chunks: Uint8Array[]
  readonly total: number
  readonly timer: Timer
  received: number
}

export class Assembler {
  readonly #clock: Clock
  readonly #limits: AssemblerLimits
  readonly #partials = new Map<string, Partial>()
  #partialBytes = 0

  constructor(clock: Clock, limits: AssemblerLimits) {
    this.#clock = clock
    this.#limits = limits
  }

  /** Messages of which some but not all parts are here. */
  get partials(): number {
    return this.#partials.size
  }

  /** Takes a frame of the message `key`; an incomplete message is forgotten `keepMs` milliseconds after its first part. */
  accept(key: string, frame: Frame, keepMs: number): Assembled {
    if (frame.total > this.#limits.maxMessageBytes) {
      return frame.sequence === 0 ? { state: 'broken', reason: 'oversized' } : { state: 'stray' }
    }
    if (frame.sequence === 0) return this.#begin(key, frame, keepMs)
    const partial = this.#partials.get(key)
    if (partial === undefined) return { state: 'stray' }
    const received = partial.received + frame.chunk.length
    if (
      frame.sequence !== partial.chunks.length ||
      frame.total !== partial.total ||
      received > partial.total
    ) {
      this.forget(key)
      return { state: 'broken', reason: 'incomplete' }
    }
    if (this.#partialBytes + frame.chunk.length > this.#limits.maxPartialBytes) {
      this.forget(key)
      return { state: 'broken', reason: 'overloaded' }
    }
    partial.chunks.push(frame.chunk)
    partial.received = received
    this.#partialBytes += frame.chunk.length
    if (received < partial.total) return { state: 'partial' }
    this.forget(key)
    return { state: 'whole', bytes: Buffer.concat(partial.chunks, partial.total) }
  }

  forget(key: string): void {
    const partial = this.#partials.get(key)
    if (partial === undefined) return
    partial.timer.cancel()
    this.#partials.delete(key)
    this.#partialBytes -= partial.received
  }

  clear(): void {
    for (const key of this.#partials.keys()) this.forget(key)
  }

  #begin(key: string, frame: Frame, keepMs: number): Assembled {
    const { chunk, total } = frame
    if (chunk.length === total) return { state: 'whole', bytes: chunk }
    if (this.#partials.has(key)) {
      this.forget(key)
      return { state: 'broken', reason: 'incomplete' }
    }
    const full = this.#partials.size >= this.#limits.maxPartials
    if (full || this.#partialBytes + chunk.length > this.#limits.maxPartialBytes) {
      return { state: 'broken', reason: 'overloaded' }
    }
    const timer = this.#clock.after(keepMs, () => this.forget(key))
    this.#partials.set(key, { chunks: [chunk], total, timer, received: chunk.length })
    this.#partialBytes += chunk.length
    return { state: 'partial' }
  }
}
