/** A queue that gives the least of its items first, by a total order of the caller. */
export class PriorityQueue<T> {
  readonly #isBefore: (a: T, b: T) => boolean
  readonly #heap: T[] = []

  constructor(isBefore: (a: T, b: T) => boolean) {
    this.#isBefore = isBefore
  }

  /** How many items wait. */
  get size(): number {
    return this.#heap.length
  }

  /** The items in no particular order, but so that the first ones come soon. */
  items(): ArrayIterator<T> {
    return this.#heap.values()
  }

  /** Adds an item. */
  push(item: T): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(item)
    while (at > 0) {
      const above = (at - 1) >> 1
      const parent = heap[above] as T
      if (!this.#isBefore(item, parent)) break
      heap[at] = parent
      at = above
    }
    heap[at] = item
  }

  /** Takes the least item out; undefined when none is left. */
  pop(): T | undefined {
    const heap = this.#heap
    const least = heap[0]
    const last = heap.pop()
    if (last !== undefined && heap.length > 0) this.#sink(last)
    return least
  }

  #sink(item: T): void {
    const heap = this.#heap
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      // The casts are sound: both indexes are below the length.
      if (child + 1 < heap.length && this.#isBefore(heap[child + 1] as T, heap[child] as T)) child++
      if (!this.#isBefore(heap[child] as T, item)) break
      heap[at] = heap[child] as T
      at = child
    }
    heap[at] = item
  }
}
