/** The requests that wait for an actor's turn, first come, first served, and no more than it allows. */

import type { ActorKind } from '../bus/subjects.ts'
import type { Call } from './call.ts'
import { reportMailbox } from './events.ts'

export class Mailbox {
  readonly #kind: ActorKind
  readonly #limit: number
  #calls: Call[] = []
  /** Index of the first one that still waits: shifting an array moves all others. */
  #first = 0

  constructor(kind: ActorKind, limit: number) {
    this.#kind = kind
    this.#limit = limit
  }

  get size(): number {
    return this.#calls.length - this.#first
  }

  /** False: it is full, and the call has not been taken. `own` messages of the actor are always taken. */
  offer(call: Call, own = false): boolean {
    const refused = !own && this.size >= this.#limit
    if (!refused) this.#calls.push(call)
    reportMailbox({ kind: this.#kind, depth: this.size, refused })
    return !refused
  }

  take(): Call | undefined {
    const call = this.#calls[this.#first]
    if (call === undefined) return undefined
    this.#first++
    if (this.#first === this.#calls.length) {
      this.#calls = []
      this.#first = 0
    } else if (this.#first > 1024) {
      this.#calls = this.#calls.slice(this.#first)
      this.#first = 0
    }
    return call
  }

  /** Empties it. */
  takeAll(): Call[] {
    const calls = this.all()
    this.#calls = []
    this.#first = 0
    return calls
  }

  /** What waits, and goes on waiting. */
  all(): Call[] {
    return this.#calls.slice(this.#first)
  }
}
