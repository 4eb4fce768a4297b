/**
 * The simulator's command: `npm run simulate -- [--seeds N] [--from N] [--seed N] [--workers N] [--trace]`. Seeds that have failed once are in
 * `seeds.json` and run first. At the first one that fails its script is cut down and printed with the trace of the run.
 *
 * Many seeds run in processes of their own (`workers.ts`), one for each core, a piece at a time: no process grows old.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { runScript, runSeed, scriptOf, shrink, type Run } from './run.ts'
import { runInWorkers } from './workers.ts'

const keptPath = join(import.meta.dirname, 'seeds.json')
/** So many seeds are one piece of work; no more than these run in this process itself. */
const pieceSeeds = 250
const progressMs = 5000
/** So many lines of a trace are printed, the last ones. */
const tracedLines = 150

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '500' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    /** Processes that share the seeds; more than there are cores is of no use. */
    workers: { type: 'string', default: String(availableParallelism()) },
    trace: { type: 'boolean', default: false },
    /** Keeps a failing seed out of `seeds.json`, and does not cut its script down: for runs on mutated code. */
    brief: { type: 'boolean', default: false },
    /** Prints the commits of each run as a line of JSON, for whoever holds the model against Postgres. */
    record: { type: 'boolean', default: false },
    /** Runs just the seeds named, without those of `seeds.json`: a piece of the work of another process. */
    piece: { type: 'boolean', default: false },
  },
})

// A rejection that nobody handles is a fault of the run in which it appears.
let stray: unknown
process.on('unhandledRejection', (error) => {
  stray ??= error
})

async function main(): Promise<void> {
  const startedMs = performance.now()
  let reportedMs = startedMs
  const seeds = seedsToRun()
  const report = (count: number, upTo: number): void => {
    const nowMs = performance.now()
    if (nowMs - reportedMs < progressMs) return
    reportedMs = nowMs
    const leftMs = ((nowMs - startedMs) / count) * (seeds.length - count)
    console.log(`${count} seeds, up to ${upTo}, ${seconds(nowMs - startedMs)}, ${seconds(leftMs)} to go`)
  }
  const outcome = isShared(seeds.length)
    ? await runInWorkers(seeds, { workers: Number(values.workers), pieceSeeds, onProgress: report })
    : await runHere(seeds, report)
  if (outcome.kind === 'broken') {
    process.exitCode = 1
    console.log(outcome.output)
  } else if (outcome.kind === 'failed')
    await fail(outcome.seed, outcome.run ?? (await runChecked(outcome.seed)))
  else
    console.log(
      `${seeds.length} seeds hold, ${outcome.steps} steps, ${((performance.now() - startedMs) / 1000).toFixed(1)} s`,
    )
}

/** What is printed of each run has to come in the order of the seeds, and pieces are not cut again. */
function isShared(count: number): boolean {
  return count > pieceSeeds && !values.piece && !values.trace && !values.record && Number(values.workers) > 0
}

type Outcome =
  | { readonly kind: 'held'; readonly steps: number }
  | { readonly kind: 'failed'; readonly seed: number; readonly run: Run }

/** Runs seeds until one fails. */
async function runHere(
  seeds: readonly number[],
  report: (count: number, upTo: number) => void,
): Promise<Outcome> {
  let steps = 0
  for (const [i, seed] of seeds.entries()) {
    const run = await runChecked(seed)
    if (values.trace) console.log(run.trace.join('\n'))
    if (values.record) console.log(JSON.stringify(run.commits))
    steps += run.steps
    if (run.findings.length > 0) return { kind: 'failed', seed, run }
    report(i + 1, seed)
  }
  return { kind: 'held', steps }
}

async function runChecked(seed: number): Promise<Run> {
  const run = await runSeed(seed, { traced: values.trace })
  return stray === undefined ? run : { ...run, findings: [...run.findings, strayFinding(stray)] }
}

function seedsToRun(): number[] {
  if (values.seed !== undefined) return [Number(values.seed)]
  const first = Number(values.from)
  const fresh = Array.from({ length: Number(values.seeds) }, (_, i) => first + i)
  return values.piece ? fresh : [...new Set([...keptSeeds(), ...fresh])]
}

function keptSeeds(): number[] {
  // The cast states what this command writes there.
  return JSON.parse(readFileSync(keptPath, 'utf8')) as number[]
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(0)} s`
}

function strayFinding(error: unknown): Run['findings'][number] {
  return { rule: 'C10', what: `a rejection that nobody handles: ${String(error)}`, atMs: -1 }
}

async function fail(seed: number, run: Run): Promise<void> {
  process.exitCode = 1
  console.log(`seed ${seed} fails:`)
  for (const { atMs, rule, what } of run.findings) console.log(`  ${atMs.toFixed(0)} ms ${rule}: ${what}`)
  if (values.brief) return
  if (!keptSeeds().includes(seed)) writeFileSync(keptPath, `${JSON.stringify([...keptSeeds(), seed])}\n`)
  const script = await shrink(seed, scriptOf(seed), run.findings)
  const small = await runScript(seed, script, { traced: true })
  console.log(`\nWhat is needed of its script, ${script.steps.length} steps:`)
  console.log(JSON.stringify({ ...script, steps: undefined }))
  for (const step of script.steps) console.log(`  ${JSON.stringify(step)}`)
  console.log('\nThe end of its trace:')
  console.log(small.trace.slice(-tracedLines).join('\n'))
  console.log(`\nAgain, whole and traced: npm run simulate -- --seed ${seed} --trace`)
}

await main()
