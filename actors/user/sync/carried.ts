/**
 * How far a user's own rows have been taken up, shard by shard. A shard is *live* while the feed hands on every row of the user that
 * comes after those taken up; then the feed's proven position is as good a head as Postgres would give. All others are
 * read from Postgres first.
 */

import type { LogEntry } from '#storage/entry.ts'
import { readMemberships, readOwnRows } from '#storage/sync/own.ts'
import type { Heads } from '#storage/sync/heads.ts'
import { Discarded } from '../../runtime/failures.ts'
import type { SyncHost } from './host.ts'

export class CarriedRows {
  readonly #host: SyncHost
  readonly #userId: string
  /** His shard, and the epoch under which this host owns it. */
  readonly #shard: number
  readonly #epoch: number
  readonly #apply: (entry: LogEntry) => void
  readonly #live: boolean[] = []
  readonly #breaks: number[] = []
  #carried: number[] | undefined
  #incarnation = 0
  /** Rows handed on while Postgres was being read. */
  #early: LogEntry[] = []
  #isReading = false
  #reading: Promise<unknown> = Promise.resolve()

  constructor(
    host: SyncHost,
    user: { readonly userId: string; readonly shard: number; readonly epoch: number },
    apply: (entry: LogEntry) => void,
  ) {
    this.#host = host
    this.#userId = user.userId
    this.#shard = user.shard
    this.#epoch = user.epoch
    this.#apply = apply
  }

  get incarnation(): number {
    return this.#incarnation
  }

  /** Up to which position of a shard the user's rows have been taken up. */
  carriedTo(shard: number): number {
    return this.#carried?.[shard] ?? 0
  }

  /** A row that the feed handed on. */
  take(entry: LogEntry): void {
    const { shard, pos } = entry
    if (this.#carried === undefined || this.#live[shard] !== true) {
      if (this.#isReading) this.#early.push(entry)
      return
    }
    if (pos <= (this.#carried[shard] ?? 0)) return
    this.#apply(entry)
    this.#carried[shard] = pos
  }

  broken(shard: number): void {
    this.#live[shard] = false
    this.#breaks[shard] = (this.#breaks[shard] ?? 0) + 1
  }

  /** The heads up to which everything is known without asking, if that is so for every shard. */
  headsInMemory(): readonly number[] | undefined {
    const carried = this.#carried
    if (carried === undefined) return undefined
    for (let shard = 0; shard < carried.length; shard++) {
      const proven = this.#live[shard] === true ? this.#host.feed.provenTo(shard) : undefined
      if (proven === undefined) return undefined
      if (proven > (carried[shard] ?? 0)) carried[shard] = proven
    }
    return carried.slice()
  }

  /**
   * The heads by a statement that begins after this call; the user's rows are known up to them when it resolves. Throws `Discarded` when
   * the database has lost commits since, or his shard has another owner: the activation begins anew, here or there.
   */
  readHeads(): Promise<Heads> {
    const reading = this.#reading.then(
      () => this.#read(),
      () => this.#read(),
    )
    this.#reading = reading
    return reading
  }

  async #read(): Promise<Heads> {
    this.#isReading = true
    this.#early = []
    try {
      return await this.#readFrom(this.#host)
    } finally {
      this.#isReading = false
      this.#early = []
    }
  }

  async #readFrom({ feed, reads }: SyncHost): Promise<Heads> {
    const before = this.#breaks.slice()
    // What was proven before the statement began is at or below these heads, and what the feed hands on from here on is kept. A chain
    // that begins meanwhile may begin above them: of what lies between, nobody would tell.
    const isProven = Array.from({ length: feed.shardCount }, (_, shard) => feed.provenTo(shard) !== undefined)
    const heads = await feed.readHeadsNow()
    const after = this.#carried
    // What has been taken up, and every token given for it, is of a database that is no more.
    if (after !== undefined && heads.incarnation !== this.#incarnation)
      throw new Discarded('the database has lost commits since this activation was loaded')
    // What that one has written, such as account data, is in nobody's memory here; yet a token up to these heads would say that it was told.
    if ((heads.epochs[this.#shard] ?? 0) > this.#epoch)
      throw new Discarded("the user's shard has another owner by now")
    const rows =
      after === undefined
        ? await readMemberships(reads, this.#userId, heads.positions)
        : await readOwnRows(reads, this.#userId, { after, upTo: heads.positions })
    this.#takeUp(rows, heads)
    for (const [shard, proven] of isProven.entries()) {
      // While the chain is whole, what lies above the heads has been kept, or is still to come.
      this.#live[shard] = proven && (before[shard] ?? 0) === (this.#breaks[shard] ?? 0)
    }
    this.#incarnation = heads.incarnation
    for (const entry of this.#early.splice(0)) this.take(entry)
    return heads
  }

  #takeUp(rows: readonly LogEntry[], heads: Heads): void {
    const carried = (this.#carried ??= heads.positions.map(() => 0))
    for (const row of rows) {
      // A live shard may have gone beyond the heads meanwhile.
      if (row.pos > (carried[row.shard] ?? 0)) this.#apply(row)
    }
    for (const [shard, head] of heads.positions.entries())
      carried[shard] = Math.max(carried[shard] ?? 0, head)
  }
}
