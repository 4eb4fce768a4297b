/**
 * Ended sessions, as every gateway must learn of them within a second (DESIGN.md §4): by looking at the session rows of all
 * logs a few times a second, and at once where this very process has committed one.
 *
 * The time of the last look is what counts: whatever was committed before the statement began has been reported.
 */

import { parseJson } from '#protocol/json/parse.ts'
import { isJsonObject, type JsonValue } from '#protocol/json/types.ts'
import type { UserId } from '#protocol/ids/user-id.ts'
import type { Reads } from '#storage/reads.ts'
import { readEndedSessions, readSessionHeads } from '#storage/sync/sessions.ts'
import type { Clock, Timer } from '../runtime/clock.ts'
import type { CommittedBatch } from '../runtime/committed.ts'
import { reportFollow } from './events.ts'

/** Which sessions of a user ended. `everybody`: nothing is certain of any session, for the database may have lost commits, or rows were missed. */
export interface EndedSession {
  readonly userId: UserId | 'everybody'
  readonly deviceIds: readonly string[] | 'all'
}

type Listener = (ended: EndedSession) => void

const pollMs = 400

export class SessionRows implements AsyncDisposable {
  readonly #reads: Reads
  readonly #clock: Clock
  readonly #listeners = new Set<Listener>()
  #after: number[] | undefined
  #incarnation = 0
  #seenAtMs = -Infinity
  #timer: Timer | undefined
  #polling: Promise<void> | undefined
  #closed = false

  constructor(options: { readonly reads: Reads; readonly clock: Clock }) {
    this.#reads = options.reads
    this.#clock = options.clock
  }

  /** Looks for the first time, and then again and again. Rejects when Postgres cannot be read. */
  async start(): Promise<void> {
    await this.poll()
    this.#schedule()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    await this.#polling?.catch(() => {})
  }

  /** The monotonic time up to which every committed end of a session has been reported; `-Infinity` before the first look. */
  seenAtMonotonicMs(): number {
    return this.#seenAtMs
  }

  /** Calls back for each ended session, before `seenAtMonotonicMs` passes its time. It may be told twice of one. */
  onRevoked(listener: Listener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** For commits of this process: they need not wait for the next look. */
  committed(batch: CommittedBatch): void {
    for (const { kind, userId, body } of batch.entries) {
      if (kind === 'session' && userId !== undefined) this.#tell(userId, body)
    }
  }

  /** Looks now. Called by the timer; tests call it themselves. */
  async poll(): Promise<void> {
    const startedAt = this.#clock.monotonic()
    // What ended before this host began is no session of any cache.
    if (this.#after === undefined) await this.#begin()
    else await this.#read(this.#after)
    this.#seenAtMs = startedAt
  }

  async #begin(): Promise<void> {
    const { incarnation, positions } = await readSessionHeads(this.#reads)
    this.#incarnation = incarnation
    this.#after = [...positions]
  }

  async #read(after: number[]): Promise<void> {
    const { incarnation, ended, missed } = await readEndedSessions(this.#reads, after)
    if (incarnation !== this.#incarnation || missed) {
      // The logs may have gone back, and sessions with them; or this process has slept while rows came and were swept away.
      await this.#begin()
      for (const listener of this.#listeners) listener({ userId: 'everybody', deviceIds: 'all' })
      return
    }
    for (const { shard, pos, userId, body } of ended) {
      after[shard] = pos
      this.#tell(userId, body === null ? undefined : parseJson(body))
    }
  }

  #tell(userId: UserId, body: JsonValue | undefined): void {
    const named = isJsonObject(body) ? body['deviceIds'] : undefined
    const deviceIds = Array.isArray(named) ? named.filter((id: JsonValue) => typeof id === 'string') : 'all'
    for (const listener of this.#listeners) listener({ userId, deviceIds })
  }

  #schedule(): void {
    if (this.#closed) return
    this.#timer = this.#clock.after(pollMs, () => {
      this.#polling = this.poll()
        .catch((error: unknown) => reportFollow({ what: 'poll-failed', error }))
        .finally(() => this.#schedule())
    })
  }
}
