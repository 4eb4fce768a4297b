/**
 * Run N2: each fault of the table in a cluster of its own while people talk, as often as wished, with what was required and what was measured.
 *
 *   npm run nemesis -- [--only F1,F2] [--repeats N] [--whole] [--seed N]
 *   npm run nemesis -- --minutes 40 [--seed N]
 *
 * Without `--whole` each fault is done a few times. With `--minutes` all faults come at random for so long. It says how long it will take.
 * Exit code 1 when something was not as required.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { seedOfRun } from '../cluster/crowd.ts'
import { aboveBounds, doubledIn, lostIn, tableOf, type Outcome } from './report.ts'
import type { Scenario } from './scenario.ts'
import { busScenarios } from './scenarios/bus.ts'
import { databaseScenarios } from './scenarios/database.ts'
import { diskScenarios } from './scenarios/disk.ts'
import { drainScenarios } from './scenarios/drains.ts'
import { failoverScenarios } from './scenarios/failover.ts'
import { gatewayScenarios } from './scenarios/gateways.ts'
import { hostScenarios } from './scenarios/hosts.ts'
import { insideScenarios } from './scenarios/inside.ts'
import { siegeOf } from './scenarios/siege.ts'
import type { Member } from './arena.ts'
import { startStage, type Stage } from './stage.ts'
import { faultsPrinted, isAlive } from './vitals.ts'

const scenarios: readonly Scenario[] = [
  ...hostScenarios,
  ...drainScenarios,
  ...insideScenarios,
  ...busScenarios,
  ...databaseScenarios,
  ...diskScenarios,
  ...gatewayScenarios,
  ...failoverScenarios,
].toSorted((a, b) => a.id.localeCompare(b.id, 'en', { numeric: true }))

/** Between two scenarios, so that the first one's end does not disturb the second. */
const pauseMs = 1000

/** Aborted by Ctrl-C: the cluster that runs is ended in good order, for its database server outlives this process. */
const ending = new AbortController()

interface Run {
  readonly seed: number
  readonly repeats: (scenario: Scenario) => number
}

function tell(text: string): void {
  process.stderr.write(`${text}\n`)
}

async function play(scenario: Scenario, { seed, repeats }: Run): Promise<Outcome> {
  await using stage = await startStage({ seed, tell: (text) => tell(`  ${text}`), ...scenario.stage })
  const started = new Map(stage.arena.members.map((member) => [member, member.process.pid]))
  let told
  try {
    told = await Promise.race([scenario.run(stage, repeats(scenario)), aborted()])
  } catch (error) {
    for (const { process: member } of stage.arena.members)
      tell(`${member.hostName} said:\n${member.output().slice(-3000)}`)
    throw error
  }
  const missing = missingIn(stage, started, scenario)
  const { findings, history } = await stage.crowd.verdict()
  const judged = scenario.judge?.(history, findings) ?? findings
  // A process that was made to end by a fault says so.
  const printed = scenario.id === 'F25' ? [] : faultsPrinted(stage.arena.processes)
  return {
    scenario,
    costs: stage.costs,
    told,
    acknowledged: history.sends.filter((send) => send.eventIds.length > 0).length,
    lost: lostIn(history),
    doubled: doubledIn(history),
    wrong: [
      ...(told.wrong ?? []),
      ...aboveBounds(stage.costs, scenario.bounds),
      ...missing,
      ...judged,
      ...printed,
    ],
  }
}

/** Processes that do not live in the end, or are not those of the beginning where they should be. */
function missingIn(
  { arena }: Stage,
  started: ReadonlyMap<Member, number>,
  { keepsProcesses }: Scenario,
): string[] {
  const dead = arena.members.filter(({ process: member }) => !isAlive(member.pid))
  const replaced = arena.members.filter(
    (member) => keepsProcesses === true && started.get(member) !== member.process.pid,
  )
  return [
    ...dead.map(({ name }) => `C10 ${name} does not live`),
    ...replaced.map(({ name }) => `${name} is another process than in the beginning`),
  ]
}

function aborted(): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>()
  ending.signal.addEventListener('abort', () => reject(new Error('it was ended from outside')), {
    once: true,
  })
  return promise
}

/** A scenario that cannot be run, or breaks off, is an outcome too. */
async function playOrSay(scenario: Scenario, run: Run): Promise<Outcome> {
  const nothing = { scenario, costs: [], told: {}, acknowledged: 0, lost: 0, doubled: 0 }
  const missing = scenario.missing?.()
  if (missing !== undefined) return { ...nothing, wrong: [], notRun: missing }
  try {
    return await play(scenario, run)
  } catch (error) {
    return { ...nothing, wrong: [`broke off: ${chainOf(error).slice(0, 600)}`] }
  }
}

/** An error with what caused it. */
function chainOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause === undefined ? error.message : `${error.message}: ${chainOf(error.cause)}`
}

interface Wanted {
  readonly scenarios: readonly Scenario[]
  readonly run: Run
}

/** What the command line asks for; undefined, and it is said why, where that cannot be. */
function wantedOf(args: readonly string[]): Wanted | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      repeats: { type: 'string' },
      minutes: { type: 'string' },
      whole: { type: 'boolean', default: false },
      seed: { type: 'string' },
    },
  })
  const ids = values.only?.split(',')
  const unknown = ids?.filter((id) => !scenarios.some((scenario) => scenario.id === id)) ?? []
  if (unknown.length > 0) {
    tell(`There is no ${unknown.join(', ')}; there are ${scenarios.map(({ id }) => id).join(', ')}.`)
    return undefined
  }
  const minutes = Number(values.minutes ?? 0)
  if (!(minutes >= 0)) {
    tell('--minutes takes a number.')
    return undefined
  }
  const repeats = (scenario: Scenario): number =>
    values.repeats === undefined ? scenario.repeats[values.whole ? 1 : 0] : Number(values.repeats)
  return {
    scenarios:
      minutes > 0 ? [siegeOf(minutes)] : scenarios.filter(({ id }) => ids === undefined || ids.includes(id)),
    run: { seed: values.seed === undefined ? seedOfRun() : Number(values.seed), repeats },
  }
}

const stageSeconds = 10
const usualSeconds = 15

/** Seconds that scenarios are expected to take. */
function estimateOf(list: readonly Scenario[], { repeats }: Run): number {
  return list
    .filter(({ missing }) => missing?.() === undefined)
    .reduce((sum, one) => sum + stageSeconds + repeats(one) * (one.seconds ?? usualSeconds), 0)
}

function inMinutes(seconds: number): string {
  return `${Math.max(1, Math.round(seconds / 60))} min`
}

async function main(): Promise<number> {
  const wanted = wantedOf(process.argv.slice(2))
  if (wanted === undefined) return 2
  const { scenarios: list, run } = wanted
  tell(`seed ${run.seed}; about ${inMinutes(estimateOf(list, run))}`)
  const beganMs = performance.now()
  const outcomes: Outcome[] = []
  for (const [n, scenario] of list.entries()) {
    if (ending.signal.aborted) continue
    const left = inMinutes(estimateOf(list.slice(n), run))
    tell(`${scenario.id} (${n + 1} of ${list.length}, about ${left} left): ${scenario.fault}`)
    const startMs = performance.now()
    const outcome = await playOrSay(scenario, run)
    outcomes.push(outcome)
    for (const finding of outcome.wrong.slice(0, 10)) tell(`  WRONG: ${finding}`)
    tell(`  took ${((performance.now() - startMs) / 1000).toFixed(0)} s`)
    await delay(pauseMs)
  }
  tell(`all took ${inMinutes((performance.now() - beganMs) / 1000)}`)
  process.stdout.write(`\n${tableOf(outcomes)}\n\nSeed ${run.seed}.\n`)
  for (const { scenario, notRun } of outcomes)
    if (notRun !== undefined) tell(`${scenario.id} was not run: ${notRun}`)
  return outcomes.some((outcome) => outcome.wrong.length > 0) ? 1 : 0
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ending.abort())
process.exitCode = await main()
