/** Single look-ups of one turn made into one statement. */

/** Finds many at once; what is not there is absent from the map. */
export type FindMany<K, V> = (keys: readonly K[]) => Promise<ReadonlyMap<K, V>>

const maxPerStatement = 5000

export class Gatherer<K, V> {
  readonly #find: FindMany<K, V>
  #keys: K[] = []
  #result: Promise<ReadonlyMap<K, V>> | undefined

  constructor(find: FindMany<K, V>) {
    this.#find = find
  }

  /** The value of a key, read by a statement that begins after this call. */
  async get(key: K): Promise<V | undefined> {
    this.#keys.push(key)
    const full = this.#keys.length >= maxPerStatement
    this.#result ??= Promise.resolve().then(() => this.#read())
    const result = this.#result
    // The next caller begins another statement.
    if (full) this.#result = undefined
    return (await result).get(key)
  }

  #read(): Promise<ReadonlyMap<K, V>> {
    const keys = this.#keys.splice(0, maxPerStatement)
    if (this.#keys.length === 0) this.#result = undefined
    return this.#find(keys)
  }
}
