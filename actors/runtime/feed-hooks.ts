/**
 * Where what the runtime has committed goes on to whoever sends it to followers. Made before the host, so that actors can be
 * given what listens here.
 */

import type { CommittedBatch, CommittedListener } from './committed.ts'
import type { EphemeralEvent } from './contract.ts'
import { guarded, reportBackground } from './events.ts'

/** This host's hold on a shard has changed. */
export interface ShardChange {
  readonly what: 'claimed' | 'lost'
  readonly shard: number
  readonly epoch: number
  /** The head of its log at that moment, as far as this host knows. */
  readonly head: number
}

export type ShardListener = (change: ShardChange) => void | Promise<void>
export type EphemeralListener = (shard: number, event: EphemeralEvent) => void
export type HostListener = (hostId: string) => void

export class FeedHooks {
  readonly #committed = new Set<CommittedListener>()
  readonly #shards = new Set<ShardListener>()
  readonly #ephemeral = new Set<EphemeralListener>()
  readonly #hosts = new Set<HostListener>()

  /** Called after each commit, in the order of positions of each shard, when its replies have been released. */
  onCommitted(listener: CommittedListener): () => void {
    return added(this.#committed, listener)
  }

  /**
   * `claimed` comes before the shard is announced and before the first commit; the announcement waits for the listener. `lost` comes at once,
   * however it was lost.
   */
  onShard(listener: ShardListener): () => void {
    return added(this.#shards, listener)
  }

  onEphemeral(listener: EphemeralListener): () => void {
    return added(this.#ephemeral, listener)
  }

  /** This process has a new host id: at the start, and after its lease was lost. */
  onHost(listener: HostListener): () => void {
    return added(this.#hosts, listener)
  }

  /** For the runtime alone, as are all that follow. */
  committed(batch: CommittedBatch): void {
    for (const listener of this.#committed) guarded('onCommitted', () => listener(batch))
  }

  ephemeral(shard: number, event: EphemeralEvent): void {
    for (const listener of this.#ephemeral) guarded('onEphemeral', () => listener(shard, event))
  }

  host(hostId: string): void {
    for (const listener of this.#hosts) guarded('onHost', () => listener(hostId))
  }

  async shard(change: ShardChange): Promise<void> {
    const waits: Promise<void>[] = []
    for (const listener of this.#shards) {
      guarded('onShard', () => {
        const wait = listener(change)
        if (wait !== undefined) waits.push(wait)
      })
    }
    const results = await Promise.allSettled(waits)
    for (const result of results) {
      if (result.status === 'fulfilled') continue
      reportBackground({ kind: 'runtime', name: 'onShard', what: 'failed', error: result.reason })
    }
  }
}

function added<T>(listeners: Set<T>, listener: T): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}
