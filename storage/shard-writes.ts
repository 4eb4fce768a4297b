/** The one implementation of `Writes`: an ordered list of rows, merged by the commit store into one call. */

import { LogRef, type LogRow, type WriteKind, type WriteRows, type Writes } from './writes.ts'

/** A row of some kind, in the order in which it was put. */
export type PutRow = { [K in WriteKind]: { readonly kind: K; readonly row: WriteRows[K] } }[WriteKind]

export class ShardWrites implements Writes {
  readonly shard: number
  readonly #log: LogRow[] = []
  readonly #refs: LogRef[] = []
  readonly #rows: PutRow[] = []

  constructor(shard: number) {
    this.shard = shard
  }

  append(row: LogRow): LogRef {
    const ref = new LogRef(this.#log.length)
    this.#log.push(row)
    this.#refs.push(ref)
    return ref
  }

  put<K extends WriteKind>(kind: K, row: WriteRows[K]): void {
    // The cast states what the signature guarantees: kind and row belong together.
    this.#rows.push({ kind, row } as PutRow)
  }

  get log(): readonly LogRow[] {
    return this.#log
  }

  get rows(): readonly PutRow[] {
    return this.#rows
  }

  get isEmpty(): boolean {
    return this.#log.length === 0 && this.#rows.length === 0
  }

  /** Gives the appended rows the positions base + 1 …; called each time a group is built. */
  place(base: number): void {
    for (const ref of this.#refs) ref.place(base)
  }
}
