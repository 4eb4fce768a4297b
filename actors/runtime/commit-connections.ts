/**
 * The connections over which this host commits. A host whose lease is renewed over another one might claim shards whose decisions it cannot
 * store; so it opens these first, and when Postgres refuses them later for a while, it says so and is without them until they can be opened.
 */

import type { CommitStore } from '#storage/commit.ts'
import type { Clock } from './clock.ts'
import { reportShard } from './events.ts'

/** One attempt to open them may take so long, milliseconds. */
const openLimitMs = 3000

export interface CommitConnectionsOptions {
  readonly stores: readonly CommitStore[]
  readonly clock: Clock
  /** Called at each change of `areOpen`. */
  readonly onChange: (areOpen: boolean) => void
}

export class CommitConnections {
  readonly #options: CommitConnectionsOptions
  #areOpen = false
  /** The lack has been told of; once is enough. */
  #isTold = false
  #opening: Promise<boolean> | undefined

  constructor(options: CommitConnectionsOptions) {
    this.#options = options
  }

  /** True from the first success on, also while they are lost for a moment. */
  get areOpen(): boolean {
    return this.#areOpen
  }

  /** Tries to open all of them, if they are not; whether they are. One attempt runs at a time. Does not throw. */
  async open(): Promise<boolean> {
    if (this.#areOpen) return true
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined
    })
    return this.#opening
  }

  /** Postgres has refused one of them for a while. */
  refused(error: unknown): void {
    this.#set(false, error)
  }

  async #open(): Promise<boolean> {
    const { stores, clock } = this.#options
    const late = new AbortController()
    const limit = clock.after(openLimitMs, () =>
      late.abort(new DOMException(`no connection in ${openLimitMs} ms`, 'TimeoutError')),
    )
    try {
      await Promise.all(stores.map((store) => store.open(late.signal)))
      this.#set(true)
    } catch (error) {
      this.#set(false, error)
    } finally {
      limit.cancel()
    }
    return this.#areOpen
  }

  #set(areOpen: boolean, error?: unknown): void {
    if (!areOpen && !this.#isTold)
      reportShard({ shard: -1, epoch: 0, what: 'no-connections', error: lackOf(error) })
    this.#isTold = !areOpen
    const had = this.#areOpen
    this.#areOpen = areOpen
    // The first failure is a change too: until then nobody had asked.
    if (had !== areOpen || !areOpen) this.#options.onChange(areOpen)
  }
}

function lackOf(cause: unknown): Error {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new Error(
    `PostgreSQL gives this process no connection for commits (${why}), so it owns no shards. ` +
      'Raise max_connections of the server or CONNECTION LIMIT of the role; npx troupe doctor says what is needed.',
    { cause },
  )
}
