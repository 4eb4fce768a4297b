/**
 * The cluster as an operator sees it: what Postgres says of hosts, shards and moves, and what each host says of itself when it is
 * asked. Served as JSON to the console and printed by `troupe status`; field names are part of what operators may rely on.
 */

import { type Head, readHeads } from '#storage/cluster/heads.ts'
import { readCluster } from '#storage/cluster/incarnation.ts'
import { type HostCondition, type KnownHost, listHosts } from '#storage/cluster/leases.ts'
import { listMoves, type MovedHost, type MoveReason, type ShardMove } from '#storage/cluster/moves.ts'
import { deadHosts, listShards, type ShardOwner } from '#storage/cluster/shards.ts'
import type { Reads } from '#storage/reads.ts'
import type { HostStatus, ProcessStatus } from '#actors/runtime/host-status.ts'
import { actorRole } from '#actors/runtime/shares.ts'

export interface ClusterView {
  readonly server_name: string
  readonly incarnation: number
  readonly hosts: readonly HostView[]
  /** Ascending. */
  readonly shards: readonly ShardView[]
  /** The newest first. */
  readonly moves: readonly MoveView[]
  /** The gateway that gives this answer; absent when a command looked by itself. */
  readonly gateway?: ProcessView
}

export interface HostView extends Partial<ProcessView> {
  readonly id: string
  readonly name: string
  readonly version: string
  readonly roles: readonly string[]
  readonly state: 'alive' | 'draining' | 'gone'
  /**
   * What it lacks, as it said when it renewed its lease: `no bus` for a moment or like all others, `cut off` while others reach the bus, `no
   * connections` of PostgreSQL to commit over; null for a version that does not say.
   */
  readonly condition: HostCondition | null
  /** Milliseconds since it renewed its lease, which lasts for five seconds. */
  readonly lease_age_ms: number
  /** How many shards it owns. */
  readonly shards: number
  /** Its share of the shards is in proportion to this; null for a version that does not know weights. */
  readonly weight: number | null
  /** Whether it told of itself: `not asked` where there was no way to, and of other gateways. */
  readonly answer: 'answered' | 'silent' | 'not asked'
}

/** What a process tells of itself. */
export interface ProcessView {
  readonly name: string
  readonly version: string
  readonly uptime_ms: number
  readonly memory_bytes: number
  readonly commits: CommitView
  readonly failures: readonly FailureView[]
}

/** The commits of the last minute, of which at most a thousand are looked at. */
export interface CommitView {
  readonly count: number
  readonly span_ms: number
  readonly rows: number
  readonly failed: number
  readonly p50_ms: number
  readonly p99_ms: number
  readonly max_ms: number
}

export interface FailureView {
  readonly what: string
  readonly count: number
  /** Epoch milliseconds. */
  readonly last_ts: number
}

export interface ShardView {
  readonly shard: number
  readonly epoch: number
  /** The greatest committed position of its log. */
  readonly head: number
  /** Host id; null when nobody owns it. */
  readonly owner: string | null
  readonly owner_name: string | null
  /** Whether the owner lives. */
  readonly alive: boolean
  /** What only the owner knows. */
  readonly load: ShardLoadView | null
}

export interface ShardLoadView {
  readonly state: 'serving' | 'leaving'
  /** Actors in memory. */
  readonly actors: number
  /** Requests that wait in their mailboxes. */
  readonly mailbox: number
  /** Decisions on their way to the database. */
  readonly uncommitted: number
  /** Other hosts that follow its log. */
  readonly followers: number
}

export interface MoveView {
  readonly shard: number
  readonly epoch: number
  readonly from: MovedHostView | null
  readonly to: MovedHostView
  readonly why: MoveReason
  /** Epoch milliseconds, by the database's clock. */
  readonly ts: number
}

export interface MovedHostView {
  readonly id: string
  readonly name: string | null
}

/** Asks a host for its status; undefined when it does not answer. */
export type AskHost = (hostId: string) => Promise<HostStatus | undefined>

export interface ClusterViewOptions {
  readonly reads: Reads
  /** Absent: hosts are not asked. */
  readonly askHost?: AskHost | undefined
  /** The process that looks. */
  readonly own?: OwnProcess
}

/** A process as it knows itself, and the id under which it is a member of the cluster. */
export interface OwnProcess {
  readonly hostId: string | undefined
  readonly status: ProcessStatus
}

const movesShown = 100

/** Looks at everything at once. Undefined in a database that is no server's yet. Throws what the database throws. */
export async function readClusterView({
  reads,
  askHost,
  own,
}: ClusterViewOptions): Promise<ClusterView | undefined> {
  const cluster = await readCluster(reads)
  if (cluster === undefined) return undefined
  const [known, dead] = await Promise.all([listHosts(reads), deadHosts(reads)])
  const hosts = known.map((host) => ({ ...host, alive: host.alive && !dead.includes(host.hostId) }))
  const [shards, heads, moves, statuses] = await Promise.all([
    listShards(reads),
    readHeads(reads),
    listMoves(reads, movesShown),
    askAll(hosts, askHost),
  ])
  return {
    server_name: cluster.serverName,
    incarnation: cluster.incarnation,
    hosts: hosts.map((host) =>
      hostView(host, statuses.get(host.hostId) ?? ofItself(host, own), askHost !== undefined),
    ),
    shards: shardViews(shards, heads, { hosts, statuses }),
    moves: moves.map(moveView),
    ...(own === undefined ? {} : { gateway: processView(own.status) }),
  }
}

async function askAll(
  hosts: readonly KnownHost[],
  askHost: AskHost | undefined,
): Promise<ReadonlyMap<number, HostStatus>> {
  if (askHost === undefined) return new Map()
  const statuses = new Map<number, HostStatus>()
  const ask = async ({ hostId }: KnownHost): Promise<void> => {
    const status = await askHost(String(hostId))
    if (status !== undefined) statuses.set(hostId, status)
  }
  await Promise.all(hosts.filter(isAsked).map(ask))
  return statuses
}

/** Gateways may not answer on the bus, so that none of them can pose as a host. */
function isAsked(host: KnownHost): boolean {
  return host.alive && host.roles.split(',').includes(actorRole)
}

function ofItself(host: KnownHost, own: OwnProcess | undefined): ProcessStatus | undefined {
  return own?.hostId === String(host.hostId) ? own.status : undefined
}

function hostView(host: KnownHost, status: ProcessStatus | undefined, asked: boolean): HostView {
  return {
    ...(status === undefined ? {} : processView(status)),
    id: String(host.hostId),
    name: host.name,
    version: host.version,
    roles: host.roles === '' ? [] : host.roles.split(','),
    state: stateOf(host),
    condition: host.condition ?? null,
    lease_age_ms: Math.max(0, host.renewedMsAgo),
    shards: host.shards,
    weight: host.weight ?? null,
    answer: status !== undefined ? 'answered' : asked && isAsked(host) ? 'silent' : 'not asked',
  }
}

function stateOf(host: KnownHost): HostView['state'] {
  if (!host.alive) return 'gone'
  return host.draining ? 'draining' : 'alive'
}

function processView({
  name,
  version,
  uptimeMs,
  memoryBytes,
  commits,
  failures,
}: ProcessStatus): ProcessView {
  return {
    name,
    version,
    uptime_ms: uptimeMs,
    memory_bytes: memoryBytes,
    commits: {
      count: commits.count,
      span_ms: commits.spanMs,
      rows: commits.rows,
      failed: commits.failed,
      p50_ms: commits.p50Ms,
      p99_ms: commits.p99Ms,
      max_ms: commits.maxMs,
    },
    failures: failures.map(({ what, count, lastAtMs }) => ({ what, count, last_ts: lastAtMs })),
  }
}

function shardViews(
  shards: readonly ShardOwner[],
  heads: readonly Head[],
  known: { readonly hosts: readonly KnownHost[]; readonly statuses: ReadonlyMap<number, HostStatus> },
): ShardView[] {
  const names = new Map(known.hosts.map((host) => [host.hostId, host.name]))
  const positions = new Map(heads.map((head) => [head.shard, head.pos]))
  const living = new Set(known.hosts.filter((host) => host.alive).map((host) => host.hostId))
  return shards.map(({ shard, epoch, owner }) => ({
    shard,
    epoch,
    head: positions.get(shard) ?? 0,
    owner: owner === undefined ? null : String(owner),
    owner_name: owner === undefined ? null : (names.get(owner) ?? null),
    alive: owner !== undefined && living.has(owner),
    load: owner === undefined ? null : loadView(known.statuses.get(owner), shard),
  }))
}

function loadView(status: HostStatus | undefined, shard: number): ShardLoadView | null {
  const load = status?.shards.find((each) => each.shard === shard)
  if (load === undefined) return null
  return {
    state: load.state,
    actors: load.activations,
    mailbox: load.waiting,
    uncommitted: load.uncommitted,
    followers: load.followers,
  }
}

function moveView({ shard, epoch, from, to, why, atMs }: ShardMove): MoveView {
  return {
    shard,
    epoch,
    from: from === undefined ? null : movedHostView(from),
    to: movedHostView(to),
    why,
    ts: atMs,
  }
}

function movedHostView({ hostId, name }: MovedHost): MovedHostView {
  return { id: String(hostId), name: name ?? null }
}
