/** Tells of slow reads and of a pool that has run out of connections. */

import type { Sql } from './connection.ts'
import { poolExhausted, querySlow } from './events.ts'
import { isPending, listenToPending, type Pending } from './pending.ts'

/** Milliseconds from which a read is slow. */
const slowMs = 250

/** Milliseconds without a statement that had to wait after which a time of too few connections is over. */
const calmMs = 1000

/** The same client, with its tagged statements watched. `connections`: how many it has. */
export function watched(sql: Sql, connections: number): Sql {
  const pool = new PoolWatch(connections)
  return new Proxy(sql, {
    apply(target, self, args: unknown[]) {
      const made: unknown = Reflect.apply(target, self, args)
      const [strings] = args
      if (isPending(made) && isStrings(strings)) watch(pool, made, strings)
      return made
    },
  })
}

function watch(pool: PoolWatch, query: Pending, strings: readonly string[]): void {
  let startedAt = 0
  listenToPending(query, {
    started: () => {
      startedAt = performance.now()
      pool.started()
    },
    settled: () => {
      pool.settled()
      const durationMs = performance.now() - startedAt
      if (durationMs < slowMs) return
      querySlow({ statement: strings.join('?').replace(/\s+/g, ' ').trim(), durationMs })
    },
  })
}

/**
 * Notices when statements have to wait for a connection. Under load that changes with every statement, so a time in which it happens again and
 * again is told as one: when it begins, and, once it has been calm for a while, how long it was and how many had to wait.
 */
class PoolWatch {
  readonly #connections: number
  #running = 0
  #waited = 0
  /** Set while the time lasts. */
  #beganAt: number | undefined = undefined
  /** When the last statement that had to wait began, or the last one gave its place to another. */
  #lastBusyAt = 0

  constructor(connections: number) {
    this.#connections = connections
  }

  started(): void {
    if (++this.#running <= this.#connections) return
    this.#waited++
    this.#lastBusyAt = performance.now()
    if (this.#beganAt !== undefined) return
    this.#beganAt = this.#lastBusyAt
    poolExhausted({ what: 'began', connections: this.#connections })
    this.#lookAfter(calmMs)
  }

  settled(): void {
    if (this.#running-- > this.#connections) this.#lastBusyAt = performance.now()
  }

  #lookAfter(ms: number): void {
    setTimeout(() => this.#look(), ms).unref()
  }

  #look(): void {
    const calmFor = this.#running > this.#connections ? 0 : performance.now() - this.#lastBusyAt
    if (calmFor < calmMs) return this.#lookAfter(calmMs - calmFor)
    const durationMs = this.#lastBusyAt - (this.#beganAt ?? this.#lastBusyAt)
    poolExhausted({ what: 'ended', connections: this.#connections, waited: this.#waited, durationMs })
    this.#beganAt = undefined
    this.#waited = 0
  }
}

function isStrings(value: unknown): value is readonly string[] {
  return Array.isArray(value) && 'raw' in value
}
