/** Single look-ups of one turn made into one statement. */

/** Finds many at once; what is not there is absent from the map. */
export type FindMany<K, V> = (keys: readonly K[]) => Promise<ReadonlyMap<K, V>>

/** What one statement will ask for, until it does. */
interface Batch<K, V> {
  readonly keys: K[]
  readonly found: Promise<ReadonlyMap<K, V>>
}

export class Gatherer<K, V> {
  readonly #find: FindMany<K, V>
  readonly #maxPerStatement: number
  #batch: Batch<K, V> | undefined

  constructor(find: FindMany<K, V>, maxPerStatement = 5000) {
    this.#find = find
    this.#maxPerStatement = maxPerStatement
  }

  /** The value of a key, read by a statement that begins after this call. */
  async get(key: K): Promise<V | undefined> {
    this.#batch ??= this.#begin()
    const { found, keys } = this.#batch
    // The next caller begins another statement.
    if (keys.push(key) >= this.#maxPerStatement) this.#batch = undefined
    return (await found).get(key)
  }

  #begin(): Batch<K, V> {
    const keys: K[] = []
    const found = Promise.resolve().then(() => {
      if (this.#batch?.keys === keys) this.#batch = undefined
      return this.#find(keys)
    })
    return { keys, found }
  }
}
