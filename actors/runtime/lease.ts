/**
 * This process as a host of the cluster: its id, its lease, and the renewal of the lease (DESIGN.md §3).
 *
 *   joining ──► member ──► gone
 *      ▲          │
 *      └─ lapsed ◄┘    the lease was lost: everything is dropped, and the process comes back as a new host
 *
 * Only the database's clock decides whether a lease holds. Here the monotonic clock says how long it certainly does: from the moment
 * before the last renewal was sent, less a second.
 */

import { type HostCondition, leaseMs } from '#storage/cluster/leases.ts'
import type { Clock, Random, Timer } from './clock.ts'
import { delay } from './clock.ts'
import type { ClusterStore } from './cluster-store.ts'
import { reportShard } from './events.ts'

export interface LeaseOptions {
  readonly store: ClusterStore
  readonly clock: Clock
  readonly random: Random
  readonly name: string
  readonly version: string
  readonly roles: readonly string[]
  /** How many shards it should own in proportion to others. */
  readonly weight: number
  /** What the process lacks at present; stated with each renewal. */
  readonly condition: () => HostCondition
  /** The others can see now that the condition has changed. */
  readonly onStated?: () => void
  /** The lease is over: everything that rested on it is void before this returns. */
  readonly onLapse: () => void
  /** The process is a host, under this id. */
  readonly onJoin: (hostId: string) => void
}

export type LeaseState = 'joining' | 'member' | 'lapsed' | 'gone'

/** So long whoever leaves waits for a database that does not answer. */
export const leaveMs = 300

const renewEveryMs = 1000
const retryMs = 250
const safetyMs = 1000
/** A renewal later than this is reported: the process or the database is too slow. */
const lateMs = 2000

const legal: Record<LeaseState, readonly LeaseState[]> = {
  joining: ['member', 'gone'],
  member: ['lapsed', 'gone'],
  lapsed: ['joining', 'gone'],
  gone: [],
}

export class Lease {
  readonly #options: LeaseOptions
  #state: LeaseState = 'joining'
  #hostId = ''
  /** Monotonic moment before the last successful renewal was sent. */
  #renewedAtMs = Number.NEGATIVE_INFINITY
  #timer: Timer | undefined
  #watchdog: Timer | undefined
  #isRenewing = false
  #stated: HostCondition | undefined

  constructor(options: LeaseOptions) {
    this.#options = options
  }

  get hostId(): string {
    return this.#hostId
  }

  get state(): LeaseState {
    return this.#state
  }

  /** Whether the lease certainly holds at this moment. */
  get isValid(): boolean {
    return (
      this.#options.clock.monotonic() < this.#renewedAtMs + leaseMs - safetyMs && this.#state === 'member'
    )
  }

  /** Joins the cluster under a new id. Throws what the store throws. */
  async join(): Promise<void> {
    const { store, clock, name, version, roles, weight } = this.#options
    const hostId = this.#newId()
    const startMs = clock.monotonic()
    const condition = this.#options.condition()
    await store.join({ hostId, name, version, roles, weight, condition }, () => this.#sessionEnded(hostId))
    this.#stated = condition
    if (this.#state === 'gone') return store.leave(hostId)
    this.#hostId = hostId
    this.#renewed(startMs)
    this.#enter('member')
    reportShard({ shard: -1, epoch: 0, what: 'host-joined' })
    this.#schedule(this.#options.condition() === condition ? renewEveryMs : 0)
    this.#options.onJoin(hostId)
  }

  /** Renews now, and not only when it is time. */
  restate(): void {
    if (this.#state !== 'member' || this.#isRenewing) return
    this.#timer?.cancel()
    void this.#renew()
  }

  /** With the session its lock is gone, by which others see that this host lives: it is taken again at once. */
  #sessionEnded(hostId: string): void {
    if (this.#hostId === hostId) this.restate()
  }

  /** Ends it for good. The row stays until `ClusterStore.leave`. */
  stop(): void {
    if (this.#state === 'gone') return
    this.#enter('gone')
    this.#timer?.cancel()
    this.#watchdog?.cancel()
  }

  /** The lease is over, or what it stood for must be given up at once. Comes back as a new host. */
  lapse(why: string): void {
    if (this.#state !== 'member') return
    this.#enter('lapsed')
    this.#timer?.cancel()
    this.#watchdog?.cancel()
    reportShard({ shard: -1, epoch: 0, what: 'host-lapsed', error: new Error(why) })
    this.#options.onLapse()
    void this.#rejoin()
  }

  async #rejoin(): Promise<void> {
    this.#enter('joining')
    while (this.#state === 'joining') {
      try {
        return await this.join()
      } catch (error) {
        reportShard({ shard: -1, epoch: 0, what: 'error', error })
        await delay(this.#options.clock, retryMs)
      }
    }
  }

  #schedule(waitMs: number): void {
    this.#timer?.cancel()
    this.#timer = this.#options.clock.after(waitMs, () => void this.#renew())
  }

  async #renew(): Promise<void> {
    const { store, clock } = this.#options
    const hostId = this.#hostId
    const startMs = clock.monotonic()
    if (startMs - this.#renewedAtMs > lateMs) reportShard({ shard: -1, epoch: 0, what: 'renew-late' })
    const condition = this.#options.condition()
    let renewed: boolean | undefined
    this.#isRenewing = true
    try {
      renewed = await store.renew(hostId, condition)
    } catch (error) {
      reportShard({ shard: -1, epoch: 0, what: 'error', error })
    } finally {
      this.#isRenewing = false
    }
    // A renewal that hung may end when this is another host already.
    if (this.#state !== 'member' || this.#hostId !== hostId) return
    if (renewed === false) return this.lapse('the lease has expired')
    if (renewed === true) this.#renewed(startMs)
    if (renewed !== true) return this.#schedule(retryMs)
    const spentMs = clock.monotonic() - startMs
    const isStale = this.#options.condition() !== condition
    this.#schedule(isStale ? 0 : Math.max(0, renewEveryMs - spentMs))
    if (condition === this.#stated) return
    this.#stated = condition
    this.#options.onStated?.()
  }

  #renewed(startMs: number): void {
    const { clock } = this.#options
    this.#renewedAtMs = startMs
    this.#watchdog?.cancel()
    // A renewal may hang for longer than the lease lasts.
    const leftMs = startMs + leaseMs - clock.monotonic()
    this.#watchdog = clock.after(Math.max(0, leftMs), () => this.lapse('the lease was not renewed in time'))
  }

  /** 52 random bits: ids are safe integers. */
  #newId(): string {
    const bytes = this.#options.random.bytes(8)
    return (new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0) >> 12n).toString()
  }

  #enter(state: LeaseState): void {
    if (!legal[this.#state].includes(state)) throw new Error(`lease.${this.#state}_to_${state}`)
    this.#state = state
  }
}
