/** Numbers for events, taken from the database a block at a time, and for rooms. One for all room actors of a host. */

import type { RoomNumbers } from './room.ts'

/** Where blocks come from: `storage/cluster/numbers.ts`. */
export interface NumberSource {
  /** Numbers for events that nobody else gets, `first` and `last` included. */
  takeEvents(): Promise<{ readonly first: number; readonly last: number }>
  takeRooms(count: number): Promise<readonly number[]>
}

const roomsAtOnce = 10

export class NumberBlocks implements RoomNumbers {
  readonly #source: NumberSource
  #next = 1
  #last = 0
  #refilling: Promise<void> | undefined
  readonly #rooms: number[] = []

  constructor(source: NumberSource) {
    this.#source = source
  }

  next(): number | undefined {
    return this.#next <= this.#last ? this.#next++ : undefined
  }

  /** One block for all who wait. What is left of the old one, if anything, is given up. */
  refill(): Promise<void> {
    this.#refilling ??= this.#take().finally(() => {
      this.#refilling = undefined
    })
    return this.#refilling
  }

  async nextRoom(): Promise<number> {
    for (;;) {
      const number = this.#rooms.pop()
      if (number !== undefined) return number
      this.#rooms.push(...(await this.#source.takeRooms(roomsAtOnce)))
    }
  }

  async #take(): Promise<void> {
    const { first, last } = await this.#source.takeEvents()
    this.#next = first
    this.#last = last
  }
}
