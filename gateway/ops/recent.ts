/**
 * What has happened in this process of late, for whoever shows it to operators: the latest commits, and failures by kind.
 * Bounded, in memory only; Prometheus keeps the long view.
 */

import type { BusFact } from '#actors/bus/events.ts'
import type { Clock } from '#actors/runtime/clock.ts'
import type { CommitEvent } from '#actors/runtime/events.ts'
import type { CommitSummary, FailureNote } from '#actors/runtime/host-status.ts'
import { describeError } from './describe-error.ts'
import { listenTo } from './subscriptions.ts'

interface Commit {
  readonly atMs: number
  readonly ms: number
  readonly rows: number
  readonly failed: boolean
}

interface Note {
  count: number
  lastAtMs: number
}

const maxCommits = 1000
const commitsForMs = 60_000
const maxNotes = 20
const notesForMs = 60 * 60_000
/** The longest text of a note, in characters. */
const maxNoteLength = 300

export class Recent implements Disposable {
  readonly #clock: Clock
  readonly #subscriptions: Disposable
  /** A ring; `#next` is where the next one goes. */
  readonly #commits: Commit[] = []
  #next = 0
  /** The one that occurred last stands last. */
  readonly #notes = new Map<string, Note>()

  constructor(clock: Clock) {
    this.#clock = clock
    this.#subscriptions = listenTo({
      'troupe:commit': (event) => this.#onCommit(event),
      'troupe:fault': ({ where, error }) => this.#note(`request ${where}`, error),
      'troupe:background': ({ name, what, error }) => {
        if (what === 'failed') this.#note(`background work ${name}`, error)
      },
      'troupe:activation': ({ kind, what, error }) => {
        if (error !== undefined) this.#note(`${kind} actor ${what}`, error)
      },
      'troupe:shard': ({ what, error }) => {
        if (what === 'error') this.#note('cluster', error)
        else if (what === 'host-lapsed') this.#note('the lease was lost', error)
        else if (what === 'behind') this.#note('the database has lost commits', undefined)
        else if (what === 'renew-late') this.#note('the lease was renewed late', undefined)
      },
      'troupe:bus': (fact) => this.#onBus(fact),
      'troupe.storage.incarnation': ({ newestEventMs }) =>
        this.#note(
          newestEventMs === undefined
            ? 'the database has gone back'
            : `the database has gone back to ${new Date(newestEventMs).toISOString()}`,
          undefined,
        ),
      'troupe.storage.embedded-down': ({ error }) => this.#note('the embedded database', error),
    })
  }

  /** The commits of the last minute. */
  commits(): CommitSummary {
    const nowMs = this.#clock.monotonic()
    const recent = this.#commits.filter((commit) => nowMs - commit.atMs <= commitsForMs)
    const times = recent.map((commit) => commit.ms).toSorted((a, b) => a - b)
    return {
      count: recent.length,
      spanMs: Math.round(recent.reduce((span, commit) => Math.max(span, nowMs - commit.atMs), 0)),
      rows: recent.reduce((sum, commit) => sum + commit.rows, 0),
      failed: recent.filter((commit) => commit.failed).length,
      p50Ms: quantile(times, 0.5),
      p99Ms: quantile(times, 0.99),
      maxMs: quantile(times, 1),
    }
  }

  /** The kinds of failure of the last hour, the latest first. */
  failures(): FailureNote[] {
    const sinceMs = this.#clock.now() - notesForMs
    return Array.from(this.#notes, ([what, { count, lastAtMs }]) => ({ what, count, lastAtMs }))
      .filter((note) => note.lastAtMs >= sinceMs)
      .toReversed()
  }

  [Symbol.dispose](): void {
    this.#subscriptions[Symbol.dispose]()
  }

  #onCommit({ ms, rows, result, error }: CommitEvent): void {
    this.#commits[this.#next] = {
      atMs: this.#clock.monotonic(),
      ms,
      rows: result === 'committed' ? rows : 0,
      failed: result !== 'committed',
    }
    this.#next = (this.#next + 1) % maxCommits
    if (result === 'content' || result === 'weather') this.#note(`commit: ${result}`, error)
  }

  #onBus(fact: BusFact): void {
    switch (fact.kind) {
      case 'threw':
        return this.#note(`bus handler ${fact.target}`, fact.error)
      case 'server-error':
        return this.#note('NATS complained', fact.error)
      case 'connect-failed':
        return this.#note(`NATS cannot be reached: ${fact.reason}`, undefined)
      case 'health':
        if (!fact.healthy) this.#note(`NATS was lost: ${fact.reason}`, undefined)
        return
      case 'dropped':
      case 'request':
        return
    }
  }

  #note(where: string, error: unknown): void {
    const text = error === undefined ? where : `${where}: ${describeError(error).message}`
    const what = text.slice(0, maxNoteLength)
    const count = (this.#notes.get(what)?.count ?? 0) + 1
    this.#notes.delete(what)
    this.#notes.set(what, { count, lastAtMs: this.#clock.now() })
    if (this.#notes.size <= maxNotes) return
    const oldest = this.#notes.keys().next()
    if (oldest.done !== true) this.#notes.delete(oldest.value)
  }
}

/** The value below which that part of sorted numbers lies, to a hundredth; 0 of none. */
function quantile(sorted: readonly number[], part: number): number {
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0
  return Math.round(value * 100) / 100
}
