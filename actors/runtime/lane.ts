/** A shard under one epoch, as its committer sees it: where its log stands and what is still to be committed. */

import type { PendingEntry } from './contract.ts'
import type { CommitFailed } from './failures.ts'
import type { ShardWrites } from '#storage/shard-writes.ts'

/** One decision on its way to the database. */
export interface Submission {
  readonly lane: Lane
  /** Whose decision it is, compared by identity: what fails takes everything later of the same one with it. */
  readonly actor: object
  readonly writes: ShardWrites
  /** One per appended row, in order. */
  readonly entries: readonly (PendingEntry | undefined)[]
  /** Called exactly once: without failure when the decision is durable. Must not throw. */
  settle(failure: CommitFailed | undefined): void
}

export class Lane {
  readonly shard: number
  readonly epoch: number
  /** The greatest position that is known to be in the log; changed by the committer alone. */
  position: number
  /** Set when the shard is not ours any more; nothing is committed through this lane again. */
  closed = false
  /** Decisions refused one after the other for their content: several in a row mean that the fault is not theirs. */
  strikes = 0
  #unsettled = 0
  #idle: PromiseWithResolvers<void> | undefined

  constructor(shard: number, epoch: number, position: number) {
    this.shard = shard
    this.epoch = epoch
    this.position = position
  }

  /** Decisions that are on their way to the database. */
  get unsettled(): number {
    return this.#unsettled
  }

  /** For the committer: one more decision is on its way. */
  enter(): void {
    this.#unsettled++
  }

  /** For the committer: a decision has been settled. */
  leave(): void {
    if (--this.#unsettled > 0) return
    this.#idle?.resolve()
    this.#idle = undefined
  }

  /** Resolves when nothing of this lane is on its way. */
  idle(): Promise<void> {
    if (this.#unsettled === 0) return Promise.resolve()
    this.#idle ??= Promise.withResolvers()
    return this.#idle.promise
  }
}
