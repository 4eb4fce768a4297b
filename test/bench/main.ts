/**
 * `npm run bench`: measures Troupe beside a reference server on one PostgreSQL in one run, and prints the figures as Markdown.
 *
 *     --quick         one round and short loads, at most 90 seconds
 *     --rounds=N      rounds of each server (2), in the order reference, Troupe, Troupe, reference, …
 *     --only=NAME     only `reference` or `troupe`
 */

import { parseArgs } from 'node:util'

import type { SocketAddress } from '#storage/connection.ts'
import { residentMegabytes } from './processor-time.ts'
import { profileDuring, topSelfTime, type ProfileEntry } from './profile.ts'
import {
  measureFresh,
  measureSends,
  measureWaiting,
  messagesInRoom,
  noFigures,
  type Bench,
  type Durations,
  type Figures,
} from './rounds.ts'
import {
  countMessages,
  startDatabase,
  startGenerator,
  startNull,
  startReference,
  startTroupe,
  temporaryDataDirectory,
  type BenchDatabase,
  type Generator,
} from './servers.ts'
import { report } from './table.ts'
import { makeReferenceWorld, makeTroupeWorld, planWorld, type TroupeWorld, type WorldPlan } from './world.ts'
import type { LoadResult } from './workloads.ts'

const whole: Durations = { sends: 7000, at10: 60_000, half: 5000, wake: 8000, deliver: 4000, least: 20_000 }
const quick: Durations = { sends: 3000, at10: 8000, half: 2000, wake: 4000, deliver: 2500, least: 0 }
const startsMeasured = 3
/** Of the machine at rest, milliseconds. */
const wholeStill = 60_000
const quickStill = 8000
const profileEntries = 15

const startedAt = performance.now()

function progress(text: string): void {
  const seconds = Math.round((performance.now() - startedAt) / 1000)
  process.stderr.write(`${String(seconds).padStart(4)} s  ${text}\n`)
}

/** What all rounds share. */
interface Run {
  readonly database: BenchDatabase
  readonly generator: Generator
  /** For what Troupe keeps outside of the database. */
  readonly dataDirectory: string
  readonly durations: Durations
  readonly plan: WorldPlan
  readonly profiles: { title: string; entries: ProfileEntry[] }[]
}

function benchOf(run: Run, name: string, round: number): Bench {
  return {
    generator: run.generator,
    postmasterPid: run.database.postmasterPid,
    durations: run.durations,
    seed: 1 + round,
    bytes: () => run.database.bytes(name),
    progress,
  }
}

async function referenceRound(run: Run, figures: Figures, round: number): Promise<void> {
  const name = `reference_${round}`
  const address = await run.database.create(name)
  await using server = await startReference(address)
  const world = await makeReferenceWorld(server.port, run.plan)
  const bench = benchOf(run, name, round)
  const subject = { name: 'reference', server, world, figures }
  const answered = await measureSends(subject, bench)
  const stored = await countMessages(address, world.small[0]?.roomId ?? '')
  if (stored !== answered) figures.problems.push(`one room holds ${stored} of ${answered} answered messages`)
  await measureWaiting(subject, bench)
}

/** What one round of Troupe leaves to the next. */
interface TroupeState {
  readonly address: SocketAddress
  readonly world: TroupeWorld
  /** Messages of the first sender that were answered until now. */
  answered: number
}

async function troupeRound(
  run: Run,
  figures: Figures,
  round: number,
  before?: TroupeState,
): Promise<TroupeState> {
  const address = before?.address ?? (await run.database.create('troupe'))
  progress('Troupe: starts')
  await using server = await startTroupe({ database: address, dataDirectory: run.dataDirectory })
  const url = `http://127.0.0.1:${server.port}`
  const say = (text: string): void => progress(`Troupe: ${text}`)
  const world = before?.world ?? (await makeTroupeWorld(url, run.plan, say))
  const bench = benchOf(run, 'troupe', round)
  const subject = { name: 'Troupe', server, world, figures }
  const answered = (before?.answered ?? 0) + (await measureSends(subject, bench))
  const [first] = world.small
  const stored = first ? await messagesInRoom(server.port, first) : 0
  if (stored !== answered) figures.problems.push(`one room holds ${stored} of ${answered} answered messages`)
  await measureWaiting(subject, bench)
  figures.loadedMegabytes.push(residentMegabytes(server.pid))
  return { address, world, answered }
}

/** Starts on the database that the loads have left. */
async function troupeStarts(run: Run, state: TroupeState, figures: Figures): Promise<void> {
  for (let start = 1; start <= startsMeasured; start++) {
    progress(`Troupe: start ${start} of ${startsMeasured} on an existing database`)
    await using server = await startTroupe({ database: state.address, dataDirectory: run.dataDirectory })
    figures.startMs.push(server.startMs)
    if (start < startsMeasured) continue
    progress('Troupe: memory at rest, initial syncs')
    await measureFresh({ name: 'Troupe', server, world: state.world, figures }, state.world.reader)
  }
}

/** With nothing configured: the first start makes a database, the ones after it find theirs stopped. */
async function embeddedStarts(figures: Figures): Promise<void> {
  await using directory = await temporaryDataDirectory('embedded')
  for (let start = 0; start <= 2; start++) {
    progress(
      start === 0
        ? 'Troupe: makes an embedded database'
        : `Troupe: start ${start} of 2 with the embedded database`,
    )
    await using server = await startTroupe({ dataDirectory: directory.path })
    if (start > 0) figures.embeddedStartMs.push(server.startMs)
  }
}

async function troupeProfiles(run: Run, state: TroupeState): Promise<void> {
  progress('Troupe: profiles')
  await using server = await startTroupe({
    database: state.address,
    dataDirectory: run.dataDirectory,
    inspect: true,
  })
  const target = { port: server.port, serverPid: server.pid, postmasterPid: run.database.postmasterPid }
  const runMs = Math.min(5000, run.durations.sends)
  const { small, groups } = state.world
  const loads = [
    {
      title: 'sends in 64 rooms of five',
      load: { kind: 'closed', target, senders: small, warmMs: 1000, runMs },
    },
    {
      title: 'deliveries to 50 waiting members',
      load: { kind: 'fan-out', target, audiences: groups, warmMs: 1000, runMs },
    },
  ] as const
  for (const { title, load } of loads) {
    await run.generator.run({ ...load, runMs: 500 })
    const profile = await profileDuring(server.output(), () => run.generator.run(load))
    run.profiles.push({ title, entries: topSelfTime(profile, profileEntries) })
  }
}

async function measureNothing(run: Run): Promise<LoadResult> {
  progress('the generator alone')
  await using server = await startNull()
  const target = { port: server.port, serverPid: server.pid, postmasterPid: run.database.postmasterPid }
  const senders = [{ token: 'none', roomId: '!none' }]
  return await run.generator.run({
    kind: 'open',
    target,
    senders,
    rate: 100,
    seed: 1,
    warmMs: 500,
    runMs: 2000,
  })
}

/** With PostgreSQL at rest and no server. */
async function measureStillness(run: Run, runMs: number): Promise<LoadResult> {
  progress('the machine alone')
  return await run.generator.run({ kind: 'still', rate: 10, seed: 1, runMs })
}

type Name = 'reference' | 'troupe'

/** A B B A … for so many rounds of each. */
function orderOf(rounds: number, only: string | undefined): Name[] {
  const order = Array.from({ length: rounds }, (_, round): Name[] =>
    round % 2 === 0 ? ['reference', 'troupe'] : ['troupe', 'reference'],
  ).flat()
  return order.filter((name) => only === undefined || name === only)
}

async function bench(options: { quick: boolean; rounds: number; only: string | undefined }): Promise<string> {
  progress('a new PostgreSQL, fsync on')
  await using database = await startDatabase()
  await using generator = startGenerator()
  // Whatever is measured then fails for want of a generator, and on its way out everything that runs is ended, PostgreSQL last.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => generator.stop())
  await using directory = await temporaryDataDirectory('data')
  const durations = options.quick ? quick : whole
  const run: Run = {
    database,
    generator,
    dataDirectory: directory.path,
    durations,
    plan: planWorld(options.quick ? 100 : 500),
    profiles: [],
  }
  const troupe = noFigures()
  const reference = noFigures()
  const still = await measureStillness(run, options.quick ? quickStill : wholeStill)
  const nothing = await measureNothing(run)
  let state: TroupeState | undefined
  for (const [round, name] of orderOf(options.rounds, options.only).entries()) {
    if (name === 'reference') await referenceRound(run, reference, round)
    else {
      state = await troupeRound(run, troupe, round, state)
      await troupeStarts(run, state, troupe)
    }
  }
  if (state) {
    await embeddedStarts(troupe)
    await troupeProfiles(run, state)
  }
  return report({ troupe, reference, nothing, still, profiles: run.profiles })
}

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    only: { type: 'string' },
  },
})
const rounds = Number(values.rounds ?? (values.quick ? 1 : 2))
process.stdout.write(`${await bench({ quick: values.quick, rounds, only: values.only })}\n`)
