/** The figures of a cluster as Markdown. */

import { cpus } from 'node:os'
import { meanOf, type LoadName, type OperationCost, type Point, type Rest } from './cluster-rounds.ts'
import type { Costs, Efficiency } from './model-cost.ts'
import type { Population } from './model-population.ts'

const generatorShareMax = 0.7
const wanted = { hosts: 16, linear: 0.8 }

export interface ClusterOutcome {
  readonly points: readonly Point[]
  readonly rests: readonly Rest[]
  readonly costs: Costs
  readonly population: Population
  readonly efficiencies: readonly Efficiency[]
  readonly problems: readonly string[]
}

const loadNames: Readonly<Record<LoadName, string>> = {
  sends: 'Messages, 16 senders for each host',
  sparse: 'Messages, at a quarter of the rate of one host',
  receipts: 'Messages with a receipt each',
  deliveries: 'Deliveries to 50 waiting members, a room for each host',
}

function sum({ gateway, hosts, bus, database }: OperationCost): number {
  return gateway + hosts + bus + database
}

function micro(ms: number): string {
  return (ms * 1000).toFixed(0)
}

function measuredLine(point: Point, alone: Point): string {
  const { gateway, hosts, bus, database } = point.cost
  const figures = [gateway, hosts, bus, database, sum(point.cost)].map(micro)
  return `| ${loadNames[point.load]} | ${point.hosts} | ${point.perSecond.toFixed(0)} | ${figures.join(' | ')} | ${(sum(alone.cost) / sum(point.cost)).toFixed(2)} | ${point.busiest.toFixed(2)} |`
}

function costLine(name: string, cost: OperationCost): string {
  return `| ${name} | ${[cost.gateway, cost.hosts, cost.bus, cost.database].map(micro).join(' | ')} | ${micro(sum(cost))} |`
}

function modelLine({ hosts, sentPerEvent, work, busiest, linear }: Efficiency): string {
  const goal = hosts === wanted.hosts ? `≥ ${wanted.linear}` : ''
  return `| ${hosts} | ${sentPerEvent.toFixed(2)} | ${work.toFixed(2)} | ${busiest.toFixed(2)} | ${linear.toFixed(2)} | ${goal} |`
}

function restLine({ size, gateway, hosts, bus, database }: Rest): string {
  return `| At rest, ms a second, each host | ${size} | | ${[gateway, hosts, bus, database].map((ms) => ms.toFixed(1)).join(' | ')} | | | |`
}

/** What the formula says of rooms of a kind, without a population: `waiting` people, each on a host of his own as far as hosts go. */
function formula({ message, delivery, hop }: Costs, waiting: number, hosts: number): number {
  // Other hosts on which at least one of those who wait is to be expected.
  const k = (hosts - 1) * (1 - (1 - 1 / hosts) ** waiting)
  const work = sum(message) + waiting * sum(delivery)
  return work / (work + k * (hop.publish + hop.receive + hop.bus))
}

/** The whole report. */
export function clusterReport({
  points,
  rests,
  costs,
  population,
  efficiencies,
  problems,
}: ClusterOutcome): string {
  const { hop } = costs
  const sizes = [...new Set(points.map((point) => point.hosts))].toSorted((a, b) => a - b)
  const measured = (load: LoadName): string[] =>
    sizes.map((hosts) => measuredLine(meanOf(points, hosts, load), meanOf(points, 1, load)))
  const audiences = [1, 2, 10, 50, 200]
  const busy = points.filter((point) => point.generator > generatorShareMax)
  return [
    `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown processor'}, Node ${process.versions.node}; one gateway, one nats-server, one PostgreSQL, and the generator on the same machine.`,
    '',
    '| Load | Hosts | /s | Gateway µs | Hosts µs | NATS µs | PostgreSQL µs | All µs | One host’s / this | Busiest host / mean |',
    '|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|',
    ...measured('sends'),
    measuredLine(meanOf(points, 1, 'sparse'), meanOf(points, 1, 'sends')),
    ...measured('receipts'),
    ...measured('deliveries'),
    ...rests.slice(0, sizes.length).map(restLine),
    '',
    `Telling another host of one entry: ${micro(hop.publish)} µs at the owner, ${micro(hop.receive)} µs at the follower, ${micro(hop.bus)} µs in NATS.`,
    '',
    '| What is reckoned with, from one host | Gateway µs | Hosts µs | NATS µs | PostgreSQL µs | All µs |',
    '|---|---:|---:|---:|---:|---:|',
    costLine('A message', costs.message),
    costLine('A receipt', costs.receipt),
    costLine('A delivery', costs.delivery),
    '',
    `| Waiting members | ${[4, 16, 64].map((hosts) => `${hosts} hosts`).join(' | ')} |`,
    '|---:|---:|---:|---:|',
    ...audiences.map((waiting) => {
      const cells = [4, 16, 64].map((hosts) => formula(costs, waiting, hosts).toFixed(2))
      return `| ${waiting} | ${cells.join(' | ')} |`
    }),
    '',
    `${population.users.toLocaleString('en-US')} people; ${population.events.length.toLocaleString('en-US')} messages and receipts in ${population.rooms.length.toLocaleString('en-US')} rooms; placement, hash and following of the production code, each event in a commit of its own.`,
    '',
    '| Hosts | Sent to other hosts per event | Of all processor time for work | Busiest host / mean | Of linear | Wanted |',
    '|---:|---:|---:|---:|---:|---|',
    ...efficiencies.map(modelLine),
    ...problems.map((problem) => `\n**${problem}**`),
    ...busy.map(
      ({ hosts, load }) =>
        `\n**${load}, ${hosts} hosts: the generator used more than ${generatorShareMax * 100} % of a core**`,
    ),
  ].join('\n')
}
