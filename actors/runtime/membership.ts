/**
 * A process that owns no shards as a member of the cluster: operators see that it is there and which version it is. It renews a lease
 * as hosts do; nothing else rests on it.
 */

import type { Bus } from '../bus/bus.ts'
import { atMost, type Clock, type Random } from './clock.ts'
import type { ClusterStore } from './cluster-store.ts'
import { ConditionWatch } from './condition.ts'
import { reportShard } from './events.ts'
import { Lease, leaveMs } from './lease.ts'

export interface MembershipOptions {
  readonly store: ClusterStore
  readonly bus: Bus
  readonly clock: Clock
  readonly random: Random
  readonly name: string
  readonly version: string
  readonly roles: readonly string[]
  /** The process has a new id: at the start, and after its lease was lost. */
  readonly onHost: (hostId: string) => void
}

export class Membership implements AsyncDisposable {
  readonly #store: ClusterStore
  readonly #clock: Clock
  readonly #lease: Lease
  readonly #condition: ConditionWatch

  constructor(options: MembershipOptions) {
    this.#store = options.store
    this.#clock = options.clock
    this.#condition = new ConditionWatch({ ...options, onChange: () => this.#lease.restate() })
    this.#lease = new Lease({
      ...options,
      // It owns nothing, so that its weight says nothing.
      weight: 1,
      condition: () => this.#condition.condition,
      onJoin: options.onHost,
      onLapse: () => {},
    })
  }

  /** Joins. Throws what the store throws. */
  start(): Promise<void> {
    return this.#lease.join()
  }

  /** Leaves; where the database does not answer, the lease runs out by itself. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#condition[Symbol.dispose]()
    this.#lease.stop()
    try {
      await atMost(this.#clock, leaveMs, this.#store.leave(this.#lease.hostId))
    } catch (error) {
      reportShard({ shard: -1, epoch: 0, what: 'error', error })
    }
    await this.#store[Symbol.asyncDispose]()
  }
}
