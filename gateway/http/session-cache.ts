/**
 * Who an access token stands for, from a bounded cache.
 *
 * A cached session counts while this process knows of every revocation up to at most one second ago: either the entry was
 * read from Postgres within that time, or the feed of session rows has seen the logs' heads of that time (DESIGN.md §4). Else Postgres is
 * asked. A session that is read while a revocation arrives is used once and not kept, since the read may be older; nor does anybody join a
 * read that began longer ago than that.
 */

import { parseDeviceId } from '#protocol/ids/device-id.ts'
import type { UserId } from '#protocol/ids/user-id.ts'
import type { Clock } from '#actors/runtime/clock.ts'
import type { Requester } from './endpoint.ts'

/** A session as Postgres has it. */
export interface StoredSession {
  readonly userId: UserId
  readonly deviceId: string
  readonly admin: boolean
  /** Epoch milliseconds; undefined: never. */
  readonly expiresAt: number | undefined
}

/** Looks a token up by its SHA-256 (base64) in a statement that begins after the call. */
export type FindSession = (tokenHash: string) => Promise<StoredSession | undefined>

/** Which sessions of a user ended. `everybody`: none may be believed without asking again. */
export interface Revocation {
  readonly userId: UserId | 'everybody'
  readonly deviceIds: readonly string[] | 'all'
}

/** The session rows of all logs, as this process learns of them. */
export interface SessionFeed {
  /**
   * The time, by the monotonic clock, up to which every committed revocation has been reported. `-Infinity` while nothing is known.
   */
  seenAtMonotonicMs(): number
  /** Calls back for each revocation, before `seenAtMonotonicMs` passes it. Returns a function that ends it. */
  onRevoked(listener: (revocation: Revocation) => void): () => void
}

export interface SessionCacheOptions {
  readonly find: FindSession
  readonly feed: SessionFeed
  readonly clock: Clock
  /** The most sessions that are kept; the one unused for longest goes first. Default 50,000. */
  readonly maxEntries?: number
}

interface Entry {
  readonly requester: Requester
  readonly expiresAtMs: number
  /** When the read of Postgres that gave it began, monotonic. */
  readonly readAtMs: number
}

/** A read that is under way. */
interface Reading {
  readonly entry: Promise<Entry | undefined>
  readonly readAtMs: number
}

/** What a token is: somebody's, nobody's, or somebody's whose time is over. */
export type SessionLookup =
  | { readonly kind: 'session'; readonly requester: Requester }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'expired' }

/** Milliseconds for which a session may outlive its revocation. */
export const stalenessMs = 1000

export class SessionCache {
  readonly #find: FindSession
  readonly #feed: SessionFeed
  readonly #clock: Clock
  readonly #maxEntries: number
  readonly #entries = new Map<string, Entry>()
  readonly #pending = new Map<string, Reading>()
  readonly #stopListening: () => void
  #revocations = 0

  constructor(options: SessionCacheOptions) {
    this.#find = options.find
    this.#feed = options.feed
    this.#clock = options.clock
    this.#maxEntries = options.maxEntries ?? 50_000
    this.#stopListening = options.feed.onRevoked((revocation) =>
      this.revoke(revocation.userId, revocation.deviceIds),
    )
  }

  /** The session of a token's hash. Rejects only when Postgres must be asked and cannot. */
  lookUp(tokenHash: string): SessionLookup | Promise<SessionLookup> {
    const entry = this.#entries.get(tokenHash)
    if (entry !== undefined && this.#isCurrent(entry)) return this.#outcome(entry)
    return this.#read(tokenHash).then((read) =>
      read === undefined ? { kind: 'unknown' } : this.#outcome(read),
    )
  }

  /** Forgets some or all sessions of a user, as when one of them logs out, or those of everybody. */
  revoke(userId: Revocation['userId'], deviceIds: readonly string[] | 'all'): void {
    this.#revocations++
    // Reads under way may not be joined by requests that come after the revocation.
    this.#pending.clear()
    for (const [hash, { requester }] of this.#entries) {
      if (userId !== 'everybody' && requester.userId !== userId) continue
      if (deviceIds === 'all' || deviceIds.includes(requester.deviceId)) this.#entries.delete(hash)
    }
  }

  /** The number of sessions that are kept. */
  get size(): number {
    return this.#entries.size
  }

  [Symbol.dispose](): void {
    this.#stopListening()
    this.#entries.clear()
  }

  #isCurrent({ readAtMs }: Pick<Entry, 'readAtMs'>): boolean {
    const knownAtMs = Math.max(readAtMs, this.#feed.seenAtMonotonicMs())
    return this.#clock.monotonic() - knownAtMs <= stalenessMs
  }

  #outcome(entry: Entry): SessionLookup {
    if (entry.expiresAtMs <= this.#clock.now()) return { kind: 'expired' }
    return { kind: 'session', requester: entry.requester }
  }

  /** Requests that arrive together with the same token share one read. One that is older than what is kept may be is not joined. */
  #read(tokenHash: string): Promise<Entry | undefined> {
    const running = this.#pending.get(tokenHash)
    if (running !== undefined && this.#isCurrent(running)) return running.entry
    const readAtMs = this.#clock.monotonic()
    const entry = this.#readFresh(tokenHash, readAtMs).finally(() => {
      if (this.#pending.get(tokenHash) === reading) this.#pending.delete(tokenHash)
    })
    const reading: Reading = { entry, readAtMs }
    this.#pending.set(tokenHash, reading)
    return entry
  }

  async #readFresh(tokenHash: string, readAtMs: number): Promise<Entry | undefined> {
    const revocations = this.#revocations
    const session = await this.#find(tokenHash)
    if (session === undefined) {
      this.#entries.delete(tokenHash)
      return undefined
    }
    const { userId, admin } = session
    const requester = { userId, deviceId: parseDeviceId(session.deviceId), admin, tokenHash }
    const entry: Entry = { requester, expiresAtMs: session.expiresAt ?? Infinity, readAtMs }
    if (revocations === this.#revocations) this.#keep(tokenHash, entry)
    return entry
  }

  #keep(tokenHash: string, entry: Entry): void {
    this.#entries.delete(tokenHash)
    this.#entries.set(tokenHash, entry)
    if (this.#entries.size <= this.#maxEntries) return
    const oldest = this.#entries.keys().next()
    if (oldest.done !== true) this.#entries.delete(oldest.value)
  }
}
