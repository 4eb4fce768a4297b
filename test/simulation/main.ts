/**
 * The simulator's command: `npm run simulate -- [--seeds N] [--from N] [--seed N] [--trace]`. Seeds that have failed once are in
 * `seeds.json` and run first. At the first one that fails its script is cut down and printed with the trace of the run.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { runScript, runSeed, scriptOf, shrink, type Run } from './run.ts'

const keptPath = join(import.meta.dirname, 'seeds.json')
const progressMs = 5000
/** So many lines of a trace are printed, the last ones. */
const tracedLines = 150

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '500' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    trace: { type: 'boolean', default: false },
    /** Keeps a failing seed out of `seeds.json`, and does not cut its script down: for runs on mutated code. */
    brief: { type: 'boolean', default: false },
    /** Prints the commits of each run as a line of JSON, for whoever holds the model against Postgres. */
    record: { type: 'boolean', default: false },
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
  let steps = 0
  let count = 0
  for (const seed of seedsToRun()) {
    const run = await runSeed(seed, { traced: values.trace })
    if (values.trace) console.log(run.trace.join('\n'))
    if (values.record) console.log(JSON.stringify(run.commits))
    const findings = stray === undefined ? run.findings : [...run.findings, strayFinding(stray)]
    steps += run.steps
    count++
    if (findings.length > 0) return fail(seed, { ...run, findings })
    const nowMs = performance.now()
    if (nowMs - reportedMs < progressMs) continue
    reportedMs = nowMs
    console.log(`${count} seeds, up to ${seed}, ${((nowMs - startedMs) / 1000).toFixed(0)} s`)
  }
  console.log(`${count} seeds hold, ${steps} steps, ${((performance.now() - startedMs) / 1000).toFixed(1)} s`)
}

function seedsToRun(): number[] {
  if (values.seed !== undefined) return [Number(values.seed)]
  const first = Number(values.from)
  const fresh = Array.from({ length: Number(values.seeds) }, (_, i) => first + i)
  return [...new Set([...keptSeeds(), ...fresh])]
}

function keptSeeds(): number[] {
  // The cast states what this command writes there.
  return JSON.parse(readFileSync(keptPath, 'utf8')) as number[]
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
