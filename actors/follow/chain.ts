/**
 * What a host knows of one shard. States and how they change:
 *
 *   unknown ──follow──► asking ──reply──► chained ──a message is missing, a new owner──► unknown
 *      │                                                                                    ▲
 *      └──claimed by this host──► local ──lost──────────────────────────────────────────────┘
 *
 * Only in `chained` and `local` is everything that the host wants, up to `proven`, known to have arrived.
 */

import type { ChainMessage } from './wire.ts'

export type ChainState = 'unknown' | 'asking' | 'chained' | 'local'

/** Messages that came before the reply to the request; more of them mean that something is wrong. */
const maxWaiting = 1000

/** What a message means for the chain. */
export type Verdict = 'next' | 'void' | 'waiting' | 'broken'

export class Chain {
  readonly shard: number
  #state: ChainState = 'unknown'
  #number = 0
  #epoch = 0
  #proven = 0
  #waiting: ChainMessage[] = []
  /** The head that was heard of when the chain stood before it: if it still does a moment later, a message was lost. */
  lag: { readonly head: number } | undefined

  constructor(shard: number) {
    this.shard = shard
  }

  get state(): ChainState {
    return this.#state
  }

  get epoch(): number {
    return this.#epoch
  }

  get number(): number {
    return this.#number
  }

  get proven(): number | undefined {
    return this.#state === 'chained' || this.#state === 'local' ? this.#proven : undefined
  }

  enterAsking(number: number): void {
    if (this.#state !== 'unknown') throw new Error(`a chain cannot begin while ${this.#state}`)
    this.#state = 'asking'
    this.#number = number
  }

  /** Returns the messages that had come before the reply. */
  enterChained(epoch: number, from: number): readonly ChainMessage[] {
    if (this.#state !== 'asking') throw new Error(`a chain cannot be established while ${this.#state}`)
    this.#state = 'chained'
    this.#epoch = epoch
    this.#proven = from
    const waiting = this.#waiting
    this.#waiting = []
    return waiting
  }

  enterLocal(epoch: number, head: number): void {
    if (this.#state !== 'unknown')
      throw new Error(`a shard cannot be claimed while its chain is ${this.#state}`)
    this.#state = 'local'
    this.#epoch = epoch
    this.#proven = head
  }

  enterUnknown(): void {
    this.#state = 'unknown'
    this.#waiting = []
    this.lag = undefined
  }

  /**
   * Looks at a message; `next` has been taken up, and its entries above what was proven before are to be handed on. One that
   * begins below that point leaves nothing out: it comes from a chain whose first reply was lost and which was asked for again.
   */
  accept(message: ChainMessage): Verdict {
    if (message.chain !== this.#number) return 'void'
    if (this.#state === 'asking') {
      if (this.#waiting.push(message) > maxWaiting) return 'broken'
      return 'waiting'
    }
    if (this.#state !== 'chained') return 'void'
    if (message.epoch === this.#epoch && message.to <= this.#proven) return 'void'
    if (message.epoch !== this.#epoch || message.prev > this.#proven) return 'broken'
    this.advance(message.to)
    return 'next'
  }

  advance(to: number): void {
    this.#proven = to
    if (this.lag !== undefined && to >= this.lag.head) this.lag = undefined
  }
}
