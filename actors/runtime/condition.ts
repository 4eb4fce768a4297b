/**
 * What this process lacks, as its lease says it to the others.
 *
 *   able ──► no bus ──► cut off ──► able      `no connections` stands before all of these, as long as it lasts
 *     ▲         │
 *     └─────────┘
 *
 * The connection to the bus may be lost to one process or to all, and no process can see which from its own connection. So a process counts
 * as cut off only when it has seen for a while, in the database, that another one is able: those who lose the bus together say so
 * within moments of each other, and when it comes back to all they do not have it at the same moment either. Who was cut off comes back only
 * after a while, so that a line that comes and goes does not move shards with it.
 */

import type { HostCondition } from '#storage/cluster/leases.ts'
import type { Bus } from '../bus/bus.ts'
import type { Clock, Timer } from './clock.ts'
import type { Survey } from './cluster-store.ts'
import { reportShard } from './events.ts'
import { actorsOf } from './shares.ts'

/** So long one must be alone without the bus. More than lies between the moments in which two processes notice that it is lost, or is back. */
const aloneMs = 2500
/** So long the bus must have been back, the first time: with it no shard moves more than once a minute. */
const firstHoldMs = 60_000
/** And at the most, for it is twice as long each time. */
const lastHoldMs = 480_000
/** After so long without being cut off the next time is a first one. */
const forgivenMs = 1_800_000

export interface ConditionOptions {
  readonly bus: Bus
  readonly clock: Clock
  /** It has changed: to be stated soon. */
  readonly onChange: () => void
}

export class ConditionWatch implements Disposable {
  readonly #options: ConditionOptions
  readonly #unwatch: () => void
  #hasConnections = true
  #isCutOff = false
  /** Monotonic: since when others have been seen to be able while the bus is lost here. */
  #aloneSinceMs: number | undefined
  /** How long the bus must have been back before it is over. */
  #holdMs = firstHoldMs
  #hold: Timer | undefined
  /** Monotonic: when it was last over. */
  #overAtMs = Number.NEGATIVE_INFINITY

  constructor(options: ConditionOptions) {
    this.#options = options
    this.#unwatch = options.bus.onHealth((healthy) => this.#onHealth(healthy))
  }

  get condition(): HostCondition {
    if (!this.#hasConnections) return 'no connections'
    if (this.#isCutOff) return 'cut off'
    return this.#options.bus.healthy ? 'able' : 'no bus'
  }

  /** It may turn out soon that this process alone has lost the bus: look often. */
  get isAlone(): boolean {
    return this.#aloneSinceMs !== undefined
  }

  /** Before it joins: whoever cannot reach the bus from the start, while others can, takes no shards. */
  begin(survey: Survey): void {
    if (!this.#options.bus.healthy && hasAble(survey, undefined)) this.#enterCutOff()
  }

  /** Compares what the others say with what is so here. */
  saw(survey: Survey, hostId: string): void {
    const { bus, clock } = this.#options
    const others = hasAble(survey, hostId)
    if (this.#isCutOff) {
      // Where nobody else has the bus, nobody's shards are safer elsewhere.
      if (bus.healthy && !others) this.#leaveCutOff()
      return
    }
    if (bus.healthy || !others) this.#aloneSinceMs = undefined
    else if (clock.monotonic() - (this.#aloneSinceMs ??= clock.monotonic()) >= aloneMs) this.#enterCutOff()
  }

  /** Whether Postgres gives this process the connections over which it commits. */
  connections(has: boolean): void {
    if (this.#hasConnections === has) return
    this.#hasConnections = has
    this.#options.onChange()
  }

  [Symbol.dispose](): void {
    this.#unwatch()
    this.#hold?.cancel()
  }

  #onHealth(healthy: boolean): void {
    this.#aloneSinceMs = undefined
    this.#hold?.cancel()
    if (!this.#isCutOff) return this.#options.onChange()
    if (healthy) this.#hold = this.#options.clock.after(this.#holdMs, () => this.#leaveCutOff())
  }

  #enterCutOff(): void {
    const sinceMs = this.#options.clock.monotonic() - this.#overAtMs
    this.#holdMs = sinceMs >= forgivenMs ? firstHoldMs : Math.min(lastHoldMs, 2 * this.#holdMs)
    this.#isCutOff = true
    this.#aloneSinceMs = undefined
    reportShard({ shard: -1, epoch: 0, what: 'host-cut-off' })
    this.#options.onChange()
  }

  #leaveCutOff(): void {
    this.#hold?.cancel()
    this.#isCutOff = false
    this.#overAtMs = this.#options.clock.monotonic()
    reportShard({ shard: -1, epoch: 0, what: 'host-reachable' })
    this.#options.onChange()
  }
}

/** Whether some host beside this one could take shards. A version that does not know conditions says nothing of itself, and reckons with all. */
function hasAble(survey: Survey, hostId: string | undefined): boolean {
  const actors = actorsOf(survey)
  if (actors.some(({ condition }) => condition === undefined)) return false
  return actors.some((host) => host.hostId !== hostId && host.condition === 'able')
}
