/**
 * Virtual time: one queue of everything that is going to happen, in every process and between them. One thing happens at a time,
 * then every promise that can settle does, then the next. What falls on the same moment happens in an order that the seed decides.
 */

import type { Clock, Random, Timer } from '#actors/runtime/clock.ts'

interface Happening {
  atMs: number
  /** Decides between happenings of the same moment. */
  tie: number
  /** The process in which it happens; undefined: outside of all. */
  readonly process: Process | undefined
  readonly run: () => void
  /** A timer of the process, and nothing that comes from outside. */
  readonly isTimer: boolean
  cancelled: boolean
}

/** The wall time at which a world begins. */
export const epochMs = 1_700_000_000_000

export class Kernel {
  readonly random: Random
  readonly #queue: Happening[] = []
  /** The process in which something happens at this moment. */
  running: Process | undefined
  #nowMs = 0
  #steps = 0

  constructor(random: Random) {
    this.random = random
  }

  /** Milliseconds since the world began. */
  get nowMs(): number {
    return this.#nowMs
  }

  /** How many things have happened. */
  get steps(): number {
    return this.#steps
  }

  /** Lets something happen after a while. One of a process that is paused waits until it goes on; of one that has died it never happens. */
  after(delayMs: number, run: () => void, process?: Process, isTimer = false): Timer {
    const atMs = this.#nowMs + Math.max(0, delayMs)
    return this.#add({ atMs, tie: this.random.fraction(), process, run, isTimer, cancelled: false })
  }

  /**
   * Puts what waited for a process back, in the order in which it was due; but a process that was stopped between two reads of its sockets
   * goes on reading before it looks at its timers.
   */
  resume(waiting: readonly Happening[]): void {
    const readsFirst = this.random.fraction() < 0.5
    const inOrder = readsFirst ? waiting.toSorted((a, b) => Number(a.isTimer) - Number(b.isTimer)) : waiting
    for (const [index, happening] of inOrder.entries()) {
      happening.atMs = this.#nowMs
      happening.tie = index * Number.EPSILON
      this.#add(happening)
    }
  }

  /** Moves time on, letting everything happen whose time comes; stops at the very moment at which `isOver` becomes true. */
  async advance(ms: number, isOver: () => boolean = () => false): Promise<void> {
    const untilMs = this.#nowMs + ms
    await settled()
    for (let next = this.#queue[0]; next !== undefined && next.atMs <= untilMs; next = this.#queue[0]) {
      this.#pop()
      if (next.cancelled) continue
      this.#nowMs = Math.max(this.#nowMs, next.atMs)
      const { process } = next
      if (process !== undefined && process.holds(next)) continue
      this.#steps++
      this.running = process
      next.run()
      await settled()
      this.running = undefined
      if (isOver()) return
    }
    this.#nowMs = untilMs
  }

  #add(happening: Happening): Timer {
    const queue = this.#queue
    let at = queue.length
    queue.push(happening)
    while (at > 0) {
      const above = (at - 1) >> 1
      const parent = queue[above]
      if (parent === undefined || !isBefore(happening, parent)) break
      queue[at] = parent
      at = above
    }
    queue[at] = happening
    return { cancel: () => void (happening.cancelled = true) }
  }

  #pop(): void {
    const queue = this.#queue
    const last = queue.pop()
    if (last === undefined || queue.length === 0) return
    let at = 0
    for (;;) {
      const left = queue[2 * at + 1]
      const right = queue[2 * at + 2]
      if (left === undefined) break
      const isRight = right !== undefined && isBefore(right, left)
      const child = isRight ? right : left
      if (!isBefore(child, last)) break
      queue[at] = child
      at = 2 * at + (isRight ? 2 : 1)
    }
    queue[at] = last
  }
}

function isBefore(a: Happening, b: Happening): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.tie < b.tie)
}

/** Lets every promise settle that waits for nothing but promises: Node runs ticks only when no microtask is left. */
function settled(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve))
}

/** A process of the cluster: its clocks, and whether it runs. */
export class Process {
  readonly name: string
  readonly clock: Clock
  readonly random: Random
  /** How wrong its wall clock goes, milliseconds. */
  skewMs = 0
  #state: 'running' | 'paused' | 'dead' = 'running'
  #held: Happening[] = []
  readonly #kernel: Kernel
  readonly #onDeath: (() => void)[] = []

  constructor(kernel: Kernel, name: string, random: Random) {
    this.name = name
    this.random = random
    this.#kernel = kernel
    // A monotonic clock begins anywhere.
    const offsetMs = Math.floor(random.fraction() * 1e6)
    this.clock = {
      now: () => Math.floor(epochMs + kernel.nowMs + this.skewMs),
      monotonic: () => kernel.nowMs + offsetMs,
      after: (delayMs, run) => kernel.after(delayMs, run, this, true),
    }
  }

  get isAlive(): boolean {
    return this.#state !== 'dead'
  }

  get isRunning(): boolean {
    return this.#state === 'running'
  }

  /** Everything stops where it is, timers included, until `resume`. Both clocks go on. */
  pause(): void {
    if (this.#state === 'running') this.#state = 'paused'
  }

  resume(): void {
    if (this.#state !== 'paused') return
    this.#state = 'running'
    const held = this.#held
    this.#held = []
    this.#kernel.resume(held)
  }

  /** Ends at once; nothing of it happens any more. */
  kill(): void {
    if (this.#state === 'dead') return
    this.#state = 'dead'
    this.#held = []
    for (const run of this.#onDeath) run()
  }

  onDeath(run: () => void): void {
    this.#onDeath.push(run)
  }

  /** For the kernel: whether something that is due cannot happen now. */
  holds(happening: Happening): boolean {
    if (this.#state === 'running') return false
    if (this.#state === 'paused') this.#held.push(happening)
    return true
  }
}
