/**
 * What this host knows of the shards' logs without asking Postgres (DESIGN.md §4, "Following").
 *
 * The owner of a shard sends each host that follows it what it has committed and the host cares for:
 *   - every row of the rooms that the host follows, and
 *   - every row that concerns one user (`userId`) whose shard the host owns, in whatever room it is.
 * Messages of one pair of shard and host form a chain: each names the `to` of the one before. While the chain is unbroken, everything that
 * the host cares for up to `provenTo(shard)` has been handed to the listeners, and nothing lies between. When it breaks (a message lost, a new
 * epoch) the shard's rings are emptied, `provenTo` is undefined until the owner has answered a new follow request, and readers ask Postgres.
 */

import type { LogEntry } from '#storage/entry.ts'
import type { EphemeralEvent } from '../runtime/contract.ts'

export interface LogFeed {
  readonly shardCount: number
  /** Counts one more interest in a room. Its ring begins where the owner's answer says; until then `entriesAfter` is undefined. */
  follow(roomId: string, shard: number): void
  unfollow(roomId: string, shard: number): void
  /**
   * The entries of a followed room after a position, ascending, up to `provenTo(shard)`; undefined when the ring does not reach
   * back so far or the chain is broken: then Postgres must be asked.
   */
  entriesAfter(roomId: string, shard: number, after: number): readonly LogEntry[] | undefined
  /** Up to which position everything that this host follows in a shard has been handed on; undefined: not established. */
  provenTo(shard: number): number | undefined
  /** The present typing users of a followed room and a number that changes whenever they do. */
  typing(roomId: string): { readonly version: number; readonly userIds: readonly string[] }
  /** Heads of all shards, committed values of one statement. */
  readHeads(): Promise<readonly number[]>
  /** Called with new entries in order, after rings and `provenTo` have been brought up to date. */
  onEntries(listener: (shard: number, entries: readonly LogEntry[]) => void): () => void
  onEphemeral(listener: (event: EphemeralEvent) => void): () => void
  /** Called when a shard's chain broke: what was known of it is no longer complete. */
  onBroken(listener: (shard: number) => void): () => void
}
