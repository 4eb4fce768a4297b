/** Leases and claims in Postgres. The lease has a session of its own, so that a renewal never waits behind anything. */

import { readHeads } from '#storage/cluster/heads.ts'
import { bearsOut, checkIncarnation, type HeldShard, raiseIncarnation } from '#storage/cluster/incarnation.ts'
import {
  forgetDeadHosts,
  forgetOtherHosts,
  type HostCondition,
  listHosts,
  registerHost,
  renewHost,
  setDraining,
  unregisterHost,
} from '#storage/cluster/leases.ts'
import { claimShards, deadHosts, listShards, releaseShard } from '#storage/cluster/shards.ts'
import type { Database } from '#storage/pool.ts'
import type { Session } from '#storage/session.ts'
import type { Claim, ClusterStore, HostRecord, ShardState, Survey } from './cluster-store.ts'

export class PostgresClusterStore implements ClusterStore {
  readonly #database: Database
  #lease: Session | undefined
  /** Whether the lease's connection may lead to another server than the one before. */
  #unchecked = true

  constructor(database: Database) {
    this.#database = database
  }

  async join(host: HostRecord, onSessionEnd: () => void): Promise<void> {
    await this.#lease?.[Symbol.asyncDispose]()
    const session = this.#database.session('lease', () => {
      const wasChecked = !this.#unchecked
      this.#unchecked = true
      // An attempt to connect that fails ends as well.
      if (wasChecked && this.#lease === session) onSessionEnd()
    })
    this.#lease = session
    await this.#check(session)
    await registerHost(session, { ...host, hostId: Number(host.hostId), roles: host.roles.join(',') })
    await forgetDeadHosts(session)
  }

  async renew(hostId: string, condition: HostCondition): Promise<boolean> {
    const session = this.#session()
    if (this.#unchecked) await this.#check(session)
    return renewHost(session, Number(hostId), condition)
  }

  async setDraining(hostId: string): Promise<void> {
    await setDraining(this.#session(), Number(hostId), true)
  }

  async leave(hostId: string): Promise<void> {
    await unregisterHost(this.#session(), Number(hostId))
  }

  async forgetOthers(hostId: string): Promise<void> {
    await forgetOtherHosts(this.#session(), Number(hostId))
  }

  async survey(): Promise<Survey> {
    const { reads } = this.#database
    const [rows, hosts, dead] = await Promise.all([listShards(reads), listHosts(reads), deadHosts(reads)])
    return {
      shards: rows.map((row) => ({
        shard: row.shard,
        epoch: row.epoch,
        owner: row.owner?.toString(),
        ownerVersion: row.ownerVersion,
        alive: row.alive && row.owner !== undefined && !dead.includes(row.owner),
      })),
      hosts: hosts
        .filter((host) => host.alive && !dead.includes(host.hostId))
        .map((host) => ({
          hostId: host.hostId.toString(),
          name: host.name,
          version: host.version,
          roles: host.roles.split(','),
          weight: host.weight,
          condition: host.condition,
          draining: host.draining,
        })),
    }
  }

  async owners(): Promise<readonly Omit<ShardState, 'alive'>[]> {
    return readOwners(this.#database)
  }

  async claim(hostId: string, seen: readonly Claim[]): Promise<readonly Claim[]> {
    // The connection may be a new one, to another server.
    await checkIncarnation(this.#database.control)
    return claimShards(this.#database.control, Number(hostId), seen)
  }

  async release(hostId: string, claims: readonly Claim[]): Promise<void> {
    await Promise.all(claims.map((claim) => releaseShard(this.#database.control, Number(hostId), claim)))
  }

  async heads(shards: readonly number[]): Promise<readonly number[]> {
    const heads = new Map((await readHeads(this.#database.reads)).map(({ shard, pos }) => [shard, pos]))
    return shards.map((shard) => heads.get(shard) ?? 0)
  }

  async bearsOut(held: readonly HeldShard[]): Promise<boolean> {
    return bearsOut(this.#database.reads, held)
  }

  async raiseIncarnation(): Promise<void> {
    await raiseIncarnation(this.#database.control)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lease?.[Symbol.asyncDispose]()
    this.#lease = undefined
  }

  /** Before the first write over a new connection it must be known whether this is still the database that it was. */
  async #check(session: Session): Promise<void> {
    this.#unchecked = false
    try {
      await checkIncarnation(session)
    } catch (error) {
      this.#unchecked = true
      throw error
    }
  }

  #session(): Session {
    if (this.#lease === undefined) throw new Error('cluster.no_lease_session')
    return this.#lease
  }
}

/** The owners of all shards, for a process that owns none. */
export async function readOwners(database: Database): Promise<Omit<ShardState, 'alive'>[]> {
  const rows = await listShards(database.reads)
  return rows.map(({ shard, epoch, owner, ownerVersion }) => ({
    shard,
    epoch,
    owner: owner?.toString(),
    ownerVersion,
  }))
}
