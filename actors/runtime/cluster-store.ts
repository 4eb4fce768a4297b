/**
 * What ownership needs of the database (DESIGN.md §3): leases and claims. `cluster-postgres.ts` is the real one; tests and the
 * simulator have a model. Every call is one statement or a few, and may throw for the weather.
 */

import type { HeldShard } from '#storage/cluster/incarnation.ts'
import type { HostCondition } from '#storage/cluster/leases.ts'

/** A process of the cluster. Ids are decimal text of a safe integer, new and random at every start. */
export interface HostRecord {
  readonly hostId: string
  readonly name: string
  readonly version: string
  readonly roles: readonly string[]
  /** How many shards it should own in proportion to others. Undefined: a version that does not know weights. */
  readonly weight?: number | undefined
  /** What it lacks at present. Undefined: a version that does not know conditions. */
  readonly condition?: HostCondition | undefined
}

export interface ShardState {
  readonly shard: number
  readonly epoch: number
  readonly owner: string | undefined
  /** False when nobody owns it or its owner is dead: it may be claimed. */
  readonly alive: boolean
  /** Of the program that the owner runs, where that is known. */
  readonly ownerVersion?: string | undefined
}

export interface Survey {
  /** Ascending by shard; every shard of the cluster. */
  readonly shards: readonly ShardState[]
  /** Hosts with a valid lease. */
  readonly hosts: readonly (HostRecord & { readonly draining: boolean })[]
}

/** A shard under an epoch. */
export interface Claim {
  readonly shard: number
  readonly epoch: number
}

export interface ClusterStore extends AsyncDisposable {
  /**
   * Registers a host under a lease and a session that is its sign of life. Ends the session of the host before. Calls `onSessionEnd` when
   * the session has ended without being asked to: until the next renewal others may take the host for dead.
   */
  join(host: HostRecord, onSessionEnd: () => void): Promise<void>
  /** Prolongs the lease, and states the host's condition. False: it has expired and cannot be revived. */
  renew(hostId: string, condition: HostCondition): Promise<boolean>
  /** From now on the host claims nothing and counts for no share. */
  setDraining(hostId: string): Promise<void>
  /** Takes the host's lease away. */
  leave(hostId: string): Promise<void>
  /** Ends the leases of all others: for a process that is certain to be alone on this database. */
  forgetOthers(hostId: string): Promise<void>
  survey(): Promise<Survey>
  /** Owners and epochs alone, for those who only ask. */
  owners(): Promise<readonly Omit<ShardState, 'alive'>[]>
  /** Compare-and-set of each shard from the epoch seen; those that succeeded, with their new epochs. */
  claim(hostId: string, seen: readonly Claim[]): Promise<readonly Claim[]>
  /** Gives up shards that the host owns under these epochs. */
  release(hostId: string, claims: readonly Claim[]): Promise<void>
  /** The greatest committed position of each of these shards, in their order; 0 for an empty log. */
  heads(shards: readonly number[]): Promise<readonly number[]>
  /** Whether these shards still are what is held of them. False: the database has gone back, or one is somebody else's. */
  bearsOut(held: readonly HeldShard[]): Promise<boolean>
  /** The database has lost commits: raises the incarnation and every epoch, and leaves no shard an owner. */
  raiseIncarnation(): Promise<void>
}
