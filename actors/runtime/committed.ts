/** What the runtime hands on when a group has been committed; the leader of a shard sends it to followers. */

import type { LogEntry } from '#storage/entry.ts'

export interface CommittedBatch {
  readonly shard: number
  readonly epoch: number
  /** The shard's head before and after this commit. */
  readonly prev: number
  readonly to: number
  /** Ascending; only those that followers may need. */
  readonly entries: readonly LogEntry[]
}

export type CommittedListener = (batch: CommittedBatch) => void
