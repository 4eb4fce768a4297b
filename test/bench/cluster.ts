/**
 * `npm run bench:cluster`: what a cluster does with one, two and four hosts, what each message and delivery costs in every process, what
 * it costs to tell another host, and from these what is left of larger clusters. Markdown on the standard output, progress on the other.
 */

import { parseArgs } from 'node:util'
import { measureHop } from './cluster-hop.ts'
import { measureSizes, meanOf } from './cluster-rounds.ts'
import { startBenchCluster } from './cluster-servers.ts'
import { clusterReport } from './cluster-table.ts'
import { simulate } from './model.ts'
import { drawPopulation } from './model-population.ts'
import { efficiencyOf, type Costs } from './model-cost.ts'
import { startDatabase, startGenerator, temporaryDataDirectory } from './servers.ts'
import { makeMembers, planWorld } from './world.ts'

const modelSizes: readonly number[] = [1, 2, 4, 8, 16, 32, 64]
const hopRounds = 3
/** Of five processes and the benchmark itself: the embedded server is made for one. */
const connections = 120

interface Extent {
  readonly runMs: number
  readonly users: number
  readonly messages: number
}

const whole: Extent = { runMs: 5000, users: 1_000_000, messages: 40_000 }
const quick: Extent = { runMs: 2000, users: 100_000, messages: 4000 }

function progress(text: string): void {
  process.stderr.write(`${text}\n`)
}

async function bench(extent: Extent): Promise<string> {
  progress('a new PostgreSQL, fsync on')
  await using database = await startDatabase({ max_connections: String(connections) })
  await using generator = startGenerator()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => generator.stop())
  await using directory = await temporaryDataDirectory('cluster')
  const address = await database.create('cluster')
  const { postmasterPid } = database
  await using cluster = await startBenchCluster(address, directory.path)
  const { world } = await makeMembers(cluster.url, planWorld(200), progress)
  const problems: string[] = []
  const rounds = { cluster, generator, world, postmasterPid, runMs: extent.runMs, problems, progress }
  const { points, rests } = await measureSizes(rounds)
  progress('from host to host')
  const hops = []
  for (let round = 0; round < hopRounds; round++) hops.push(await measureHop())
  const hop = hops.toSorted((a, b) => a.publish + a.receive - b.publish - b.receive)[1] ?? hops[0]
  if (hop === undefined) throw new Error('nothing was measured')
  progress(`${extent.users} users`)
  const population = drawPopulation({ users: extent.users, messages: extent.messages, seed: 1 })
  const costs: Costs = { ...costsOf(points), hop }
  const efficiencies = []
  for (const hosts of modelSizes) {
    progress(`the model with ${hosts}`)
    efficiencies.push(efficiencyOf(await simulate(population, hosts), costs))
  }
  return clusterReport({ points, rests, costs, population, efficiencies, problems })
}

/** A receipt is what it costs more to send a message and to mark it as read. */
function costsOf(points: Parameters<typeof meanOf>[0]): Omit<Costs, 'hop'> {
  const message = meanOf(points, 1, 'sends').cost
  const both = meanOf(points, 1, 'receipts').cost
  const delivery = meanOf(points, 1, 'deliveries').cost
  const more = (name: keyof typeof message): number => Math.max(0, both[name] - message[name])
  return {
    message,
    receipt: {
      gateway: more('gateway'),
      hosts: more('hosts'),
      bus: more('bus'),
      database: more('database'),
    },
    delivery,
  }
}

const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false } } })
process.stdout.write(`${await bench(values.quick ? quick : whole)}\n`)
