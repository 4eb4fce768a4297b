/**
 * Who is alive. A host registers under a random id, renews every second by the database's clock, and holds a session lock on its id, so
 * that a host whose process has died is known to be dead at once. A lease that has expired cannot be revived (DESIGN.md §3).
 */

import type { Reads } from '../reads.ts'
import type { Session } from '../session.ts'

/** How long a lease lives after a renewal, in milliseconds. */
export const leaseMs = 5000

/**
 * What a process lacks at present, as it says itself.
 * - `able`: nothing.
 * - `no bus`: the connection to the bus, for a moment or together with all others.
 * - `cut off`: the connection to the bus, which others have. It takes no part in sharing until it has had it again for a while.
 * - `no connections`: those to Postgres over which it would commit. It takes no part in sharing.
 */
export type HostCondition = 'able' | 'no bus' | 'cut off' | 'no connections'

export interface Host {
  /** A new random safe integer at every process start. */
  readonly hostId: number
  /** What the operator calls it. */
  readonly name: string
  readonly version: string
  readonly roles: string
  /** How many shards it should own in proportion to others. Undefined: its version does not know weights. */
  readonly weight?: number | undefined
  /** Undefined: its version does not know conditions. */
  readonly condition?: HostCondition | undefined
}

export interface KnownHost extends Host {
  readonly draining: boolean
  /** By its lease alone. */
  readonly alive: boolean
  /** Milliseconds since the lease was renewed, by the database's clock. */
  readonly renewedMsAgo: number
  /** Shards that it owns. */
  readonly shards: number
}

/** Registers the host. The session must serve nothing else and live as long as the host. */
export async function registerHost(session: Session, host: Host): Promise<void> {
  const { sql } = session
  // The lock comes first: from the moment the row is there, a free lock means death.
  await sql`select pg_advisory_lock(${host.hostId}::bigint)`
  await sql`
    insert into host_lease (host_id, name, version, roles, weight, condition, expires_at)
    values (${host.hostId}, ${host.name}, ${host.version}, ${host.roles}, ${host.weight ?? null}::integer, ${host.condition ?? null}::text,
      clock_timestamp() + ${leaseMs}::integer * interval '1 ms')`
}

/**
 * Renews the lease and states the host's condition; false if the lease has expired or is gone: the host drops its shards and comes back
 * under a new id.
 */
export async function renewHost(
  session: Session,
  hostId: number,
  condition: HostCondition,
): Promise<boolean> {
  // A session that was lost and opened again takes the lock again.
  const rows = await session.sql`
    with renewed as (
      update host_lease set condition = ${condition}, expires_at = clock_timestamp() + ${leaseMs}::integer * interval '1 ms'
      where host_id = ${hostId} and expires_at > clock_timestamp()
      returning host_id
    )
    select case when not exists (
      select from pg_locks where locktype = 'advisory' and pid = pg_backend_pid() and objsubid = 1
        and classid::bigint = host_id >> 32 and objid::bigint = host_id & 4294967295
    ) then pg_try_advisory_lock(host_id) end from renewed`
  return rows.length === 1
}

/** Tells the host to give its shards away, or to stop doing so. False if there is no such host. */
export async function setDraining(session: Session, hostId: number, draining: boolean): Promise<boolean> {
  const rows = await session.sql`
    update host_lease set draining = ${draining} where host_id = ${hostId} returning host_id`
  return rows.length === 1
}

interface KnownRow extends Omit<KnownHost, 'weight' | 'condition'> {
  readonly weight: number | null
  readonly condition: HostCondition | null
}

/** All hosts that are known, by name; those long dead are not. */
export async function listHosts(reads: Reads): Promise<KnownHost[]> {
  // An operator may look by this version at a database that no process of this version has migrated yet.
  const rows = await reads.sql<KnownRow[]>`
    select host_id as "hostId", name, version, roles, (to_jsonb(host_lease) ->> 'weight')::integer as weight,
      to_jsonb(host_lease) ->> 'condition' as condition, draining, expires_at > clock_timestamp() as alive,
      (extract(epoch from clock_timestamp() - expires_at) * 1000)::bigint + ${leaseMs}::integer as "renewedMsAgo",
      (select count(*) from shard where owner = host_id) as shards
    from host_lease order by name, host_id`
  return rows.map((row) => ({
    ...row,
    weight: row.weight ?? undefined,
    condition: row.condition ?? undefined,
  }))
}

/** Takes the host out at its end; its shards must have been released. */
export async function unregisterHost(session: Session, hostId: number): Promise<void> {
  await session.sql`delete from host_lease where host_id = ${hostId}`
  await session.sql`select pg_advisory_unlock(${hostId}::bigint)`
}

/** Ends the leases of all other hosts: for a process that is certain to be the only one on this database. */
export async function forgetOtherHosts(session: Session, hostId: number): Promise<void> {
  await session.sql`delete from host_lease where host_id <> ${hostId}`
}

/** Forgets hosts that have been dead for an hour and own nothing any more. */
export async function forgetDeadHosts(session: Session): Promise<void> {
  await session.sql`
    delete from host_lease where expires_at < clock_timestamp() - interval '1 hour'
      and not exists (select from shard where owner = host_id)`
}
