/**
 * Locks on rows of `shard`, as `FOR NO KEY UPDATE` takes them: a transaction holds one from a moment to a later one, and whatever would lock or
 * change the row meanwhile waits, and then looks at it anew.
 */

/** A statement has come upon a row that is locked. It has done nothing yet, and begins again. */
export class Locked extends Error {
  override readonly name = 'Locked'
}

/** A transaction is open; after so many milliseconds it ends with what `end` does and answers. */
export class Open<T> {
  readonly ms: number
  readonly end: () => T

  constructor(ms: number, end: () => T) {
    this.ms = ms
    this.end = end
  }
}

export class RowLocks {
  readonly #held = new Set<number>()
  #waiting: (() => void)[] = []

  /** To be called before anything is changed. Throws {@link Locked} if one of the shards has its row locked. */
  demand(shards: readonly number[]): void {
    if (shards.some((shard) => this.#held.has(shard))) throw new Locked()
  }

  /** Locks the rows of shards. Returns what unlocks them. */
  hold(shards: readonly number[]): () => void {
    for (const shard of shards) this.#held.add(shard)
    return () => {
      for (const shard of shards) this.#held.delete(shard)
      this.#goOn()
    }
  }

  /** Whoever has met {@link Locked} begins again when something has been unlocked. */
  whenUnlocked(run: () => void): void {
    this.#waiting.push(run)
  }

  /** Every transaction has ended, for its connection has. */
  clear(): void {
    this.#held.clear()
    this.#goOn()
  }

  #goOn(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const run of waiting) run()
  }
}
