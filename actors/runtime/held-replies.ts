/** What waits in an activation until a decision is durable: answers, and what follows from commits. In order of decision. */

export interface Held {
  durable(): void
  /** The decision failed. */
  lost(): void
  /** Nobody knows when the decision will be durable. What follows then follows all the same. */
  stalled?(): void
}

export class HeldReplies {
  #numbers: number[] = []
  #held: Held[] = []

  /** Numbers never decrease from one call to the next. */
  add(number: number, held: Held): void {
    this.#numbers.push(number)
    this.#held.push(held)
  }

  /** Lets go of everything that rests on decisions up to this number. */
  release(number: number, onError: (error: unknown) => void): void {
    let count = 0
    while (count < this.#numbers.length && (this.#numbers[count] ?? 0) <= number) count++
    if (count === 0) return
    this.#numbers.splice(0, count)
    for (const held of this.#held.splice(0, count)) {
      try {
        held.durable()
      } catch (error) {
        onError(error)
      }
    }
  }

  /** For everything that waits. */
  stalled(): void {
    for (const held of this.#held) held.stalled?.()
  }

  /** The decision of this number failed, and with it everything from there on. */
  lose(number: number): void {
    let first = 0
    while (first < this.#numbers.length && (this.#numbers[first] ?? 0) < number) first++
    this.#numbers.splice(first)
    for (const held of this.#held.splice(first)) held.lost()
  }
}
