/** The loads on a cluster of one size after another, and what each cost in every process. */

import { setTimeout as delay } from 'node:timers/promises'
import type { BenchCluster } from './cluster-servers.ts'
import { processorTime, timeBetween } from './processor-time.ts'
import type { Generator } from './servers.ts'
import type { World } from './world.ts'
import type { LoadResult, Workload } from './workloads.ts'

/** `sparse`: messages at a quarter of the rate at which a host alone takes them, as each of four gets them on a machine that is full. */
export type LoadName = 'sends' | 'sparse' | 'receipts' | 'deliveries'

/** Milliseconds of processor time for one operation, by process; hosts all together. */
export interface OperationCost {
  readonly gateway: number
  readonly hosts: number
  readonly bus: number
  readonly database: number
}

export interface Point {
  readonly hosts: number
  readonly load: LoadName
  readonly perSecond: number
  readonly cost: OperationCost
  /** Of the host that used most, to the mean of all. */
  readonly busiest: number
  /** The part of one core that the generator used. */
  readonly generator: number
}

/** Milliseconds of processor time in a second in which nobody asks for anything; of one host. */
export interface Rest extends OperationCost {
  readonly size: number
}

export interface Rounds {
  readonly cluster: BenchCluster
  readonly generator: Generator
  readonly world: World
  readonly postmasterPid: number
  readonly runMs: number
  readonly problems: string[]
  progress(text: string): void
}

const restMs = 3000

/** There and back, so that what only time changes falls on all alike. */
export const sizes: readonly number[] = [1, 2, 4, 2, 1]

/** All loads at all sizes, and what is used between them. */
export async function measureSizes(
  rounds: Rounds,
): Promise<{ readonly points: readonly Point[]; readonly rests: readonly Rest[] }> {
  const points: Point[] = []
  const rests: Rest[] = []
  for (const hosts of sizes) {
    rounds.progress(`${hosts} host${hosts === 1 ? '' : 's'}`)
    await rounds.cluster.resize(hosts)
    for (const load of ['sends', 'receipts', 'deliveries'] as const)
      points.push(await measure(rounds, hosts, load, workloadOf(rounds, hosts, load)))
    if (hosts === 1) points.push(await measureSparse(rounds, points))
    rests.push(await measureRest(rounds, hosts))
  }
  return { points, rests }
}

async function measureRest({ cluster, postmasterPid }: Rounds, size: number): Promise<Rest> {
  const { serverPid, otherPids } = cluster.target(postmasterPid)
  const from = processorTime(serverPid, postmasterPid, otherPids)
  await delay(restMs)
  const used = timeBetween(from, processorTime(serverPid, postmasterPid, otherPids))
  const [bus = 0, ...hosts] = used.others
  const perSecond = (ms: number): number => (ms * 1000) / restMs
  return {
    size,
    gateway: perSecond(used.server),
    hosts: perSecond(hosts.reduce((sum, ms) => sum + ms, 0) / hosts.length),
    bus: perSecond(bus),
    database: perSecond(used.database),
  }
}

/** So much load for each host, so that a host of four commits groups as large as those of one alone. */
const sendersPerHost = 16
const audiencesPerHost = 1

function workloadOf(
  { cluster, world, postmasterPid, runMs }: Rounds,
  hosts: number,
  load: Exclude<LoadName, 'sparse'>,
): Workload {
  // New processes must have compiled what they run.
  const bounds = { target: cluster.target(postmasterPid), warmMs: runMs, runMs }
  const senders = world.small.slice(0, hosts * sendersPerHost)
  switch (load) {
    case 'sends':
      return { kind: 'closed', senders, ...bounds }
    case 'receipts':
      return { kind: 'closed', senders, receipts: true, ...bounds }
    case 'deliveries':
      return { kind: 'fan-out', audiences: world.groups.slice(0, hosts * audiencesPerHost), ...bounds }
  }
}

function measureSparse(rounds: Rounds, points: readonly Point[]): Promise<Point> {
  const { cluster, world, postmasterPid, runMs } = rounds
  const rate = Math.max(1, meanOf(points, 1, 'sends').perSecond / 4)
  const bounds = { target: cluster.target(postmasterPid), warmMs: runMs / 2, runMs }
  const load = {
    kind: 'open',
    senders: world.small.slice(0, sendersPerHost),
    rate,
    seed: 1,
    ...bounds,
  } as const
  return measure(rounds, 1, 'sparse', load)
}

async function measure(rounds: Rounds, hosts: number, load: LoadName, workload: Workload): Promise<Point> {
  const result = await rounds.generator.run(workload)
  if (result.errors > 0) {
    rounds.problems.push(`${load}, ${hosts} hosts: ${result.errors} errors, the first: ${result.firstError}`)
  }
  return pointOf(result, hosts, load)
}

function pointOf(result: LoadResult, hosts: number, load: LoadName): Point {
  const { operations, seconds, used } = result
  const [bus = 0, ...ofHosts] = used.others
  const all = ofHosts.reduce((sum, ms) => sum + ms, 0)
  return {
    hosts,
    load,
    perSecond: operations / seconds,
    cost: {
      gateway: used.server / operations,
      hosts: all / operations,
      bus: bus / operations,
      database: used.database / operations,
    },
    busiest: all === 0 ? 1 : (Math.max(...ofHosts) * ofHosts.length) / all,
    generator: used.generator / 1000 / seconds,
  }
}

/** The mean of the points of one size and load, figure by figure. */
export function meanOf(points: readonly Point[], hosts: number, load: LoadName): Point {
  const of = points.filter((point) => point.hosts === hosts && point.load === load)
  const figure = (read: (point: Point) => number): number =>
    of.reduce((sum, point) => sum + read(point), 0) / of.length
  return {
    hosts,
    load,
    perSecond: figure((point) => point.perSecond),
    cost: {
      gateway: figure(({ cost }) => cost.gateway),
      hosts: figure(({ cost }) => cost.hosts),
      bus: figure(({ cost }) => cost.bus),
      database: figure(({ cost }) => cost.database),
    },
    busiest: figure((point) => point.busiest),
    generator: figure((point) => point.generator),
  }
}
