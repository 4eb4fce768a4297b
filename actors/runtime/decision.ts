/** A decision between its turn and the database. */

import { ShardWrites } from '#storage/shard-writes.ts'
import type { Activation } from './activation.ts'
import type { Call } from './call.ts'
import type { Decision, PendingEntry } from './contract.ts'
import type { CommitFailed } from './failures.ts'
import type { Lane, Submission } from './lane.ts'

export class PendingDecision implements Submission {
  readonly lane: Lane
  readonly actor: Activation
  readonly writes: ShardWrites
  readonly entries: readonly (PendingEntry | undefined)[]
  /** Counts the decisions of this activation. */
  readonly number: number
  /** The request in whose turn it was made. */
  readonly call: Call | undefined
  readonly #outcome = Promise.withResolvers<void>()

  constructor(actor: Activation, decision: Decision, of: { number: number; call: Call | undefined }) {
    if (!(decision.writes instanceof ShardWrites)) throw new Error('decision.foreign_writes')
    this.actor = actor
    this.lane = actor.lane
    this.writes = decision.writes
    this.entries = decision.entries
    this.number = of.number
    this.call = of.call
    // Nobody has to look at the outcome: the runtime acts on it by itself.
    this.#outcome.promise.catch(() => {})
  }

  get promise(): Promise<void> {
    return this.#outcome.promise
  }

  settle(failure: CommitFailed | undefined): void {
    if (failure === undefined) this.#outcome.resolve()
    else this.#outcome.reject(failure)
    this.actor.settled(this, failure)
  }
}
