/**
 * Run N2: each fault of the table in a cluster of its own while people talk, as often as wished, with what was required and what was measured.
 *
 *   npm run nemesis -- [--only F1,F2] [--repeats N] [--whole] [--seed N]
 *
 * Without `--whole` each fault is done a few times; all together take about six minutes. Exit code 1 when something was not as required.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { seedOfRun } from '../cluster/crowd.ts'
import { aboveBounds, doubledIn, lostIn, tableOf, type Outcome } from './report.ts'
import type { Scenario } from './scenario.ts'
import { busScenarios } from './scenarios/bus.ts'
import { databaseScenarios } from './scenarios/database.ts'
import { failoverScenarios } from './scenarios/failover.ts'
import { gatewayScenarios } from './scenarios/gateways.ts'
import { hostScenarios } from './scenarios/hosts.ts'
import { startStage } from './stage.ts'
import { faultsPrinted } from './vitals.ts'

const scenarios: readonly Scenario[] = [
  ...hostScenarios,
  ...busScenarios,
  ...databaseScenarios,
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
  let told
  try {
    told = await Promise.race([scenario.run(stage, repeats(scenario)), aborted()])
  } catch (error) {
    for (const { process: member } of stage.arena.members)
      tell(`${member.hostName} said:\n${member.output().slice(-3000)}`)
    throw error
  }
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
    wrong: [...(told.wrong ?? []), ...aboveBounds(stage.costs, scenario.bounds), ...judged, ...printed],
  }
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
  if (missing !== undefined) return { ...nothing, told: { notes: [`not run: ${missing}`] }, wrong: [] }
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

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      repeats: { type: 'string' },
      whole: { type: 'boolean', default: false },
      seed: { type: 'string' },
    },
  })
  const wanted = values.only?.split(',')
  const unknown = wanted?.filter((id) => !scenarios.some((scenario) => scenario.id === id)) ?? []
  if (unknown.length > 0) {
    tell(`There is no ${unknown.join(', ')}; there are ${scenarios.map(({ id }) => id).join(', ')}.`)
    return 2
  }
  const run: Run = {
    seed: values.seed === undefined ? seedOfRun() : Number(values.seed),
    repeats: (scenario) =>
      values.repeats === undefined ? scenario.repeats[values.whole ? 1 : 0] : Number(values.repeats),
  }
  tell(`seed ${run.seed}`)
  const outcomes: Outcome[] = []
  for (const scenario of scenarios) {
    if (ending.signal.aborted || (wanted !== undefined && !wanted.includes(scenario.id))) continue
    tell(`${scenario.id}: ${scenario.fault}`)
    const outcome = await playOrSay(scenario, run)
    outcomes.push(outcome)
    for (const finding of outcome.wrong.slice(0, 10)) tell(`  WRONG: ${finding}`)
    await delay(pauseMs)
  }
  process.stdout.write(`\n${tableOf(outcomes)}\n\nSeed ${run.seed}.\n`)
  return outcomes.some((outcome) => outcome.wrong.length > 0) ? 1 : 0
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ending.abort())
process.exitCode = await main()
