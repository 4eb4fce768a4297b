/**
 * What one turn of a room decides: rows, the entries that followers are told of, and what is to happen once it is durable.
 */

import type { UserId } from '#protocol/ids/user-id.ts'
import type { LogRef, LogRow, Writes } from '#storage/writes.ts'
import type { ActorContext, PendingEntry } from '../runtime/contract.ts'

/** An entry without what `Batch.append` adds. */
export type EntryFields = Pick<PendingEntry, 'kind' | 'roomId' | 'roomNid'> &
  Partial<Omit<PendingEntry, 'ref' | 'kind' | 'roomId' | 'roomNid'>>

export class Batch {
  readonly writes: Writes
  readonly #isLocal: (userId: UserId) => boolean
  readonly #entries: PendingEntry[] = []
  readonly #durable: (() => void)[] = []
  readonly #members: { readonly userId: UserId; readonly ref: LogRef }[] = []

  constructor(writes: Writes, isLocal: (userId: UserId) => boolean) {
    this.writes = writes
    this.#isLocal = isLocal
  }

  isLocal(userId: UserId): boolean {
    return this.#isLocal(userId)
  }

  /** Appends a row to the log, and tells followers of it as `entry`. */
  append(row: LogRow, entry: EntryFields): LogRef {
    const ref = this.writes.append(row)
    this.#entries.push({
      ref,
      kind: entry.kind,
      roomId: entry.roomId,
      roomNid: entry.roomNid,
      event: entry.event,
      userId: entry.userId,
      membership: entry.membership,
      prevMembership: entry.prevMembership,
      stateRoot: entry.stateRoot,
      body: entry.body,
    })
    return ref
  }

  whenDurable(run: () => void): void {
    this.#durable.push(run)
  }

  /** Lets a local user's actor know that his membership has changed, once it has. */
  tellUser(userId: UserId, ref: LogRef): void {
    if (this.#isLocal(userId)) this.#members.push({ userId, ref })
  }

  /** Hands everything to the committer. `onFailure` is told why, if the decision is lost. */
  decide(context: ActorContext, onFailure: (error: unknown) => void): void {
    context.decide({ writes: this.writes, entries: this.#entries }).catch(onFailure)
    if (this.#durable.length === 0 && this.#members.length === 0) return
    context.afterCommit(() => {
      for (const run of this.#durable) run()
      for (const { userId, ref } of this.#members) {
        context.background('room.membership_hint', async (signal) => {
          await context.ask.ask(
            'user',
            userId,
            'membershipChanged',
            { shard: context.shard, pos: ref.pos },
            { signal },
          )
        })
      }
    })
  }
}
