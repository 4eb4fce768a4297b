/**
 * Clients that only read, all the time: syncs that do not wait, pages of messages, states of rooms. They say how long each took, and take no
 * part in what the rules are held against.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { register, type MatrixUser, type SyncBody } from '../support/matrix.ts'
import { persist, type Call, type Failure } from './persistence.ts'

export interface ReadersOptions {
  /** The gateways; readers are dealt out to them in turn, and go to another when theirs does not answer. */
  readonly urls: readonly string[]
  /** Rooms that everybody may join. */
  readonly roomIds: readonly string[]
  readonly count: number
  /** Milliseconds between two reads of one reader. */
  readonly pauseMs: number
}

/** A read, from its first attempt to its answer. */
interface Read {
  readonly beganMs: number
  /** Undefined: it is under way. */
  endedMs: number | undefined
}

const limitMs = 60_000
const attemptMs = 15_000
const againMs = 50
/** What is older nobody asks for. */
const keptReads = 20_000

export class Readers implements AsyncDisposable {
  readonly #users: readonly MatrixUser[]
  readonly #options: ReadersOptions
  readonly #abort = new AbortController()
  readonly #failures: Failure[] = []
  readonly #work: readonly Promise<void>[]
  #reads: Read[] = []

  constructor(options: ReadersOptions, users: readonly MatrixUser[]) {
    this.#options = options
    this.#users = users
    this.#work = users.map((user) => this.#readOn(user))
  }

  /** How long the reads took that were under way in that time, as far as they lie in it, milliseconds. */
  waits(fromMs: number, toMs: number): number[] {
    return this.#reads
      .map(({ beganMs, endedMs = toMs }) => ({
        from: Math.max(beganMs, fromMs),
        to: Math.min(endedMs, toMs),
      }))
      .filter(({ from, to }) => to >= from)
      .map(({ from, to }) => to - from)
  }

  /** Attempts since then that came to nothing. */
  failuresSince(fromMs: number): Failure[] {
    return this.#failures.filter(({ atMs }) => atMs >= fromMs)
  }

  /** From now on the readers go to these gateways. */
  prefer(urls: readonly string[]): void {
    for (const [n, user] of this.#users.entries()) user.url = urls[n % urls.length] ?? user.url
  }

  /** Rejects with what a reader was refused. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort(new Error('the test is over'))
    await Promise.all(this.#work)
  }

  async #readOn(user: MatrixUser): Promise<void> {
    let since: string | undefined
    try {
      for (let n = 0; ; n++) {
        const roomId = this.#options.roomIds[n % this.#options.roomIds.length] ?? ''
        const room = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}`
        const from = since === undefined ? '' : `&since=${encodeURIComponent(since)}`
        const { next_batch } = await this.#read<SyncBody>(user, `/_matrix/client/v3/sync?timeout=0${from}`)
        since = next_batch
        await this.#read(user, `${room}/messages?dir=b&limit=5`)
        await this.#read(user, `${room}/state`)
      }
    } catch (error) {
      if (!this.#abort.signal.aborted) throw error
    }
  }

  async #read<T>(user: MatrixUser, path: string): Promise<T> {
    const call: Call = { method: 'GET', path }
    const read: Read = { beganMs: performance.now(), endedMs: undefined }
    this.#reads.push(read)
    if (this.#reads.length > 2 * keptReads) this.#reads = this.#reads.slice(-keptReads)
    const { signal } = this.#abort
    const onFailure = (failure: Failure): void => this.#failed(user, failure)
    const how = { limitMs, attemptMs, pauseMs: () => againMs, signal, onFailure }
    const { body } = await persist<T>(user, call, how)
    read.endedMs = performance.now()
    await delay(this.#options.pauseMs, undefined, { signal })
    return body
  }

  #failed(user: MatrixUser, failure: Failure): void {
    this.#failures.push(failure)
    const { urls } = this.#options
    if (failure.status !== undefined || user.url !== failure.url) return
    user.url = urls[(urls.indexOf(failure.url) + 1) % urls.length] ?? failure.url
  }
}

/** Registers the readers, lets them join the rooms and read until they are disposed. */
export async function startReaders(options: ReadersOptions): Promise<Readers> {
  const users = await Promise.all(
    Array.from({ length: options.count }, (_, n) =>
      register(options.urls[n % options.urls.length] ?? '', `reader${n}`),
    ),
  )
  for (const user of users) for (const roomId of options.roomIds) await user.join(roomId)
  return new Readers(options, users)
}
