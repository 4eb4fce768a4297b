/**
 * Deletes, slowly, what nobody needs any more: superseded rows of the logs that this host owns, and tokens, reservations and notes of
 * keys that were given out whose time is over. What goes, and why nobody misses it, says `storage/README.md`, "The sweep".
 *
 *   claimed ─► due ─► step ─┬─ there is more ───► due soon
 *               ▲           ├─ nothing is ripe ─► due when something is
 *               │           ├─ nothing is left ─► resting ─► (a commit) ─┐
 *               │           ├─ failed ──────────► due after the interval │
 *               └───────────┴────────────────────────────────────────────┘
 *   lost, fenced ─► gone
 *
 * One step runs at a time on a host, whatever is due; each takes milliseconds and holds the shard's lock for a part of that.
 */

import { expiredAtOnce, type SweepStore } from '#storage/sweep/sweep.ts'
import type { Clock, Random, Timer } from '../runtime/clock.ts'
import { reportBackground } from '../runtime/events.ts'
import type { FeedHooks } from '../runtime/feed-hooks.ts'
import { reportSweep } from './events.ts'

export interface LogSweepOptions {
  readonly store: SweepStore
  /** What the runtime tells of the shards that this host owns. */
  readonly hooks: Pick<FeedHooks, 'onCommitted' | 'onShard'>
  readonly clock: Clock
  readonly random: Random
  /** Whether a shard is certainly ours and not being given up. */
  readonly isServing: (shard: number) => boolean
  /** Absent: the usual one. */
  readonly pace?: SweepPace
}

/** How often logs are swept, and of what. Milliseconds. */
export interface SweepPace {
  /** About how long after one step on a shard the next one comes. */
  readonly intervalMs: number
  /** The same while rows are left that are old enough: a shard of a busy server grows by a hundred rows in a second. */
  readonly behindMs: number
  /** Rows of a log are left alone for so long: whoever reads them for what is going on has done so by then. */
  readonly ageMs: number
}

export const usualPace: SweepPace = { intervalMs: 60_000, behindMs: 10_000, ageMs: 3_600_000 }
/** Rows of a log that one step looks at. */
const look = 2000
/** What has expired is kept for so long, for clocks differ. Milliseconds. */
const expiredForMs = 3_600_000
/** Between two looks at what has expired. Milliseconds. */
const expiredIntervalMs = 600_000
/** Whoever owns this shard also looks after what belongs to none. */
const housekeeper = 0

/** What a step leaves to be done: in so many milliseconds, when something has been committed, or never. */
type Next = number | 'rest' | 'gone'

interface Task {
  /** Monotonic; undefined while it rests. */
  dueMs: number | undefined
  readonly shard: number
  readonly epoch: number
  /** The position up to which this host knows the log answered. */
  upTo: number
  readonly run: (task: Task) => Promise<Next>
}

export class LogSweep implements Disposable {
  readonly #options: LogSweepOptions
  readonly #pace: SweepPace
  readonly #logs = new Map<number, Task>()
  readonly #unhook: (() => void)[]
  #expired: Task | undefined
  #timer: Timer | undefined
  #running = false
  #closed = false

  constructor(options: LogSweepOptions) {
    this.#options = options
    this.#pace = options.pace ?? usualPace
    this.#unhook = [
      options.hooks.onShard(({ what, shard, epoch, head }) => {
        if (what === 'claimed') this.#claimed(shard, epoch, head)
        else this.#lost(shard)
      }),
      options.hooks.onCommitted(({ shard, epoch, to }) => this.#committed(shard, epoch, to)),
    ]
  }

  /** Begins no further step. One that is under way may be cut off: it has happened as a whole, or not at all. */
  [Symbol.dispose](): void {
    this.#closed = true
    this.#timer?.cancel()
    for (const unhook of this.#unhook) unhook()
  }

  #claimed(shard: number, epoch: number, head: number): void {
    const { clock, random } = this.#options
    // Hosts that start together, and shards that are claimed together, do not sweep together.
    const dueMs = clock.monotonic() + this.#pace.intervalMs * random.fraction()
    this.#logs.set(shard, { dueMs, shard, epoch, upTo: head, run: (task) => this.#sweepLog(task) })
    if (shard === housekeeper) {
      this.#expired = { dueMs, shard, epoch, upTo: 0, run: () => this.#sweepExpired() }
    }
    this.#arm()
  }

  #lost(shard: number): void {
    this.#logs.delete(shard)
    if (shard === housekeeper) this.#expired = undefined
    this.#arm()
  }

  #committed(shard: number, epoch: number, to: number): void {
    const task = this.#logs.get(shard)
    if (task === undefined || task.epoch !== epoch) return
    task.upTo = to
    if (task.dueMs !== undefined) return
    task.dueMs = this.#options.clock.monotonic() + this.#jittered(this.#pace.intervalMs)
    this.#arm()
  }

  #arm(): void {
    this.#timer?.cancel()
    const next = this.#first()
    if (this.#closed || this.#running || next?.dueMs === undefined) return
    const waitMs = Math.max(0, next.dueMs - this.#options.clock.monotonic())
    this.#timer = this.#options.clock.after(waitMs, () => void this.#step(next))
  }

  /** The task that is due first. */
  #first(): Task | undefined {
    let first = this.#expired
    for (const task of this.#logs.values()) {
      if (task.dueMs !== undefined && task.dueMs < (first?.dueMs ?? Infinity)) first = task
    }
    return first
  }

  async #step(task: Task): Promise<void> {
    this.#running = true
    const { upTo } = task
    let next: Next = this.#pace.intervalMs
    try {
      if (this.#options.isServing(task.shard)) next = await task.run(task)
    } catch (error) {
      if (!this.#closed) reportBackground({ kind: 'runtime', name: 'sweep', what: 'failed', error })
    }
    this.#running = false
    if (next === 'gone' && this.#logs.get(task.shard) === task) this.#logs.delete(task.shard)
    // What was committed meanwhile has not been looked at.
    if (next === 'rest' && task.upTo > upTo) next = this.#pace.intervalMs
    task.dueMs = typeof next === 'number' ? this.#options.clock.monotonic() + this.#jittered(next) : undefined
    this.#arm()
  }

  async #sweepLog(task: Task): Promise<Next> {
    const { clock, store } = this.#options
    const { ageMs, behindMs, intervalMs } = this.#pace
    const { shard, epoch, upTo } = task
    const startedAt = clock.monotonic()
    const result = await store.sweepLog({ shard, epoch, upTo, ageMs, look })
    // The runtime finds out by itself, at the next commit.
    if (result.kind === 'fenced') return 'gone'
    reportSweep({ shard, deleted: result.deleted, ms: clock.monotonic() - startedAt })
    if (result.waitMs === undefined) return 'rest'
    return result.waitMs === 0 ? behindMs : Math.max(intervalMs, result.waitMs)
  }

  async #sweepExpired(): Promise<Next> {
    const { clock, store } = this.#options
    const startedAt = clock.monotonic()
    const deleted = await store.sweepExpired(clock.now() - expiredForMs)
    reportSweep({ shard: undefined, deleted, ms: clock.monotonic() - startedAt })
    return Object.values(deleted).includes(expiredAtOnce) ? this.#pace.behindMs : expiredIntervalMs
  }

  /** A time from three quarters of the given one to five quarters. */
  #jittered(ms: number): number {
    return ms * (0.75 + this.#options.random.fraction() / 2)
  }
}
