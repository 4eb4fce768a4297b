/** The cluster in tables, for a terminal. */

import type { HostCondition } from '#storage/cluster/leases.ts'
import type { ClusterView, HostView, MoveView, ProcessView, ShardView } from '../admin/cluster-view.ts'
import { formatTable } from './table.ts'

const absent = '–'
const mebibyte = 1024 * 1024
/** Moves that are listed at the most. */
const movesListed = 12

/** Hosts, shards, moves and failures. `nowMs`: the time by which ages are told. */
export function clusterText(view: ClusterView, nowMs: number): string {
  return [
    `${view.server_name}, incarnation ${view.incarnation}\n`,
    hostTable(view.hosts),
    shardTable(view.shards),
    moveTable(view.moves, nowMs),
    failureTable(view, nowMs),
  ]
    .filter((part) => part !== '')
    .join('\n')
}

/** One line for each host. */
export function hostTable(hosts: readonly HostView[]): string {
  if (hosts.length === 0) return 'No host has joined.\n'
  const rows = hosts.map((host) => [
    host.name,
    stateOf(host),
    host.roles.join(','),
    String(host.shards),
    host.weight === null ? absent : String(host.weight),
    host.version,
    host.id,
    duration(host.lease_age_ms),
    commitTimes(host),
    host.memory_bytes === undefined ? absent : `${Math.round(host.memory_bytes / mebibyte)} MiB`,
    host.uptime_ms === undefined ? absent : duration(host.uptime_ms),
  ])
  const heading = [
    'HOST',
    'STATE',
    'ROLES',
    'SHARDS',
    'WEIGHT',
    'VERSION',
    'ID',
    'RENEWED',
    'COMMIT P50/P99',
    'MEMORY',
    'UP',
  ]
  return formatTable([heading, ...rows])
}

const lacks: Readonly<Record<HostCondition, string | undefined>> = {
  able: undefined,
  'no bus': 'cannot reach NATS',
  'cut off': 'cut off from NATS',
  'no connections': 'no database connections',
}

function stateOf({ state, condition, answer }: HostView): string {
  const lack = state === 'gone' || condition === null ? undefined : lacks[condition]
  return [state, lack, answer === 'silent' ? answer : undefined]
    .filter((word) => word !== undefined)
    .join(', ')
}

function commitTimes({ commits }: HostView): string {
  if (commits === undefined || commits.count === 0) return absent
  return `${milliseconds(commits.p50_ms)} / ${milliseconds(commits.p99_ms)}`
}

/** One line for each shard. */
export function shardTable(shards: readonly ShardView[]): string {
  const rows = shards.map((shard) => [
    String(shard.shard),
    ownerOf(shard),
    String(shard.epoch),
    String(shard.head),
    count(shard.load?.actors),
    count(shard.load?.mailbox),
    count(shard.load?.uncommitted),
    count(shard.load?.followers),
  ])
  return formatTable([
    ['SHARD', 'OWNER', 'EPOCH', 'POSITION', 'ACTORS', 'MAILBOX', 'UNCOMMITTED', 'FOLLOWERS'],
    ...rows,
  ])
}

function count(value: number | undefined): string {
  return value === undefined ? absent : String(value)
}

function ownerOf({ owner, owner_name, alive }: ShardView): string {
  if (owner === null) return absent
  const name = owner_name ?? owner
  return alive ? name : `${name} (gone)`
}

function moveTable(moves: readonly MoveView[], nowMs: number): string {
  if (moves.length === 0) return ''
  const rows = moves
    .slice(0, movesListed)
    .map((move) => [
      `${duration(Math.max(0, nowMs - move.ts))} ago`,
      String(move.shard),
      move.from === null ? absent : (move.from.name ?? move.from.id),
      move.to.name ?? move.to.id,
      move.why,
    ])
  return formatTable([['MOVED', 'SHARD', 'FROM', 'TO', 'WHY'], ...rows])
}

function failureTable({ hosts, gateway }: ClusterView, nowMs: number): string {
  const told: ProcessView[] = []
  for (const { name, version, uptime_ms, memory_bytes, commits, failures } of hosts) {
    if (uptime_ms === undefined || memory_bytes === undefined) continue
    if (commits !== undefined && failures !== undefined)
      told.push({ name, version, uptime_ms, memory_bytes, commits, failures })
  }
  if (gateway !== undefined && !told.some(({ name }) => name === gateway.name)) told.push(gateway)
  const rows = told.flatMap(({ name, failures }) =>
    failures.map(({ what, count: times, last_ts }) => [
      `${duration(Math.max(0, nowMs - last_ts))} ago`,
      name,
      `${times}×`,
      what,
    ]),
  )
  return rows.length === 0 ? '' : formatTable([['FAILED', 'HOST', 'TIMES', 'WHAT'], ...rows])
}

/** Such as `4.2 ms`. */
function milliseconds(ms: number): string {
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`
}

/** The largest unit that fits, such as `12 s` or `3 h`. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  const seconds = ms / 1000
  if (seconds < 120) return `${Math.round(seconds)} s`
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`
  return `${Math.round(seconds / 86_400)} d`
}
