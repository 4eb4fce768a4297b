/**
 * `npm run simulate:mutations -- [--seeds N] [--only TEXT]`: puts each fault of `mutations.ts` into a copy of the program, and runs what must
 * notice it. Prints a table: the sentences of the design (`sentences.ts`), the faults that break them, and what noticed these. A fault that
 * nothing notices makes the command fail. What must notice it is run without the fault first, where it has to hold.
 */

import { spawn } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { editsOf, type Mutation } from './mutation.ts'
import { mutations } from './mutations.ts'
import { sentences } from './sentences.ts'

const root = join(import.meta.dirname, '..', '..')
const copied = ['protocol', 'storage', 'actors', 'gateway', 'test', 'package.json', 'nats.conf']
/** Nothing that is run here takes longer, milliseconds. */
const limitMs = 300_000

const { values } = parseArgs({
  options: {
    /** How many seeds a fault gets to show itself in. */
    seeds: { type: 'string', default: '1000' },
    /** Only faults whose name contains this; several with | between them. */
    only: { type: 'string', default: '' },
    /** How many faults are tried at a time, each in a copy of its own. */
    workers: { type: 'string', default: String(availableParallelism()) },
    /** Only faults that a test of their own notices, given to the simulator instead: which of them does it see as well? */
    simulated: { type: 'boolean', default: false },
  },
})

interface Verdict {
  readonly isCaught: boolean
  /** Everything that was run held. */
  readonly holds: boolean
  readonly by: string
}

async function main(): Promise<void> {
  const chosen = mutations.filter(
    ({ file, name, test }) =>
      values.only.split('|').some((part) => name.includes(part)) &&
      // What is in SQL is not in the simulation.
      !(values.simulated && (test === undefined || file.startsWith('storage/'))),
  )
  const verdicts = new Map<Mutation, Verdict>()
  const queue = [...chosen]
  const work = async (): Promise<void> => {
    const copy = copyOfProgram()
    try {
      for (let mutation = queue.shift(); mutation !== undefined; mutation = queue.shift()) {
        const verdict = await judge(copy, mutation)
        verdicts.set(mutation, verdict)
        console.log(`${lineOf(mutation, verdict)}`)
      }
    } finally {
      rmSync(copy, { recursive: true, force: true })
    }
  }
  await Promise.all(Array.from({ length: Math.min(Number(values.workers), chosen.length) }, work))
  printTable(chosen, verdicts)
  const missed = chosen.filter((mutation) => verdicts.get(mutation)?.isCaught !== true)
  console.log(`${chosen.length - missed.length} of ${chosen.length} faults are noticed`)
  if (missed.length > 0) process.exitCode = 1
}

function lineOf({ name }: Mutation, { by, isCaught }: Verdict): string {
  return `${isCaught ? 'caught' : 'MISSED'}  ${name.padEnd(72)} ${by}`
}

/** Each sentence of the design, with the faults that break it and what notices them; then the faults that break none of these. */
function printTable(chosen: readonly Mutation[], verdicts: ReadonlyMap<Mutation, Verdict>): void {
  const rest = new Map(chosen.map((mutation) => [mutation.name, mutation]))
  for (const sentence of sentences) {
    const faults = 'faults' in sentence ? sentence.faults : []
    const broken = chosen.filter(({ name }) => faults.includes(name))
    if (broken.length === 0 && chosen.length < mutations.length) continue
    console.log(`\n§${sentence.section}  ${sentence.text}`)
    if ('absent' in sentence) console.log(`      nothing to break: ${sentence.absent}`)
    for (const mutation of broken) {
      console.log(noticed(mutation, verdicts.get(mutation)))
      rest.delete(mutation.name)
    }
  }
  if (rest.size > 0) console.log('\nBeside these:')
  for (const mutation of rest.values()) {
    console.log(noticed(mutation, verdicts.get(mutation)))
    console.log(`        ${mutation.sentence}`)
  }
  console.log('')
}

function noticed({ because, name }: Mutation, verdict: Verdict | undefined): string {
  const by = verdict?.isCaught === true ? `noticed by ${verdict.by}` : 'MISSED'
  return `    → ${name}\n        ${by}${because === undefined ? '' : ` (not by a run: ${because})`}`
}

function copyOfProgram(): string {
  const copy = mkdtempSync(join(tmpdir(), 'troupe-mutations-'))
  for (const name of copied) cpSync(join(root, name), join(copy, name), { recursive: true })
  // The tests' Postgres is the same; a changed migration makes another template in it.
  mkdirSync(join(root, '.tools'), { recursive: true })
  for (const name of ['node_modules', '.tools']) symlinkSync(join(root, name), join(copy, name))
  return copy
}

/** What holds without a fault, and what does not, by the test's file; undefined: the simulation. */
const controls = new Map<string | undefined, Verdict>()

/** Puts the fault in, runs what must notice it, and takes it out again. */
async function judge(copy: string, mutation: Mutation): Promise<Verdict> {
  const file = values.simulated ? undefined : mutation.test
  const control = controls.get(file) ?? (await noticedBy(copy, file))
  controls.set(file, control)
  if (!control.holds)
    return { isCaught: false, holds: false, by: `fails without the fault as well: ${control.by}` }
  const undo: (() => void)[] = []
  try {
    for (const { file: name, find, replace } of editsOf(mutation)) {
      const path = join(copy, name)
      const text = readFileSync(path, 'utf8')
      if (text.split(find).length !== 2)
        return { isCaught: false, holds: false, by: `"${find}" does not stand once in ${name}` }
      undo.unshift(() => writeFileSync(path, text))
      writeFileSync(
        path,
        text.replace(find, () => replace),
      )
    }
    return await noticedBy(copy, file)
  } finally {
    for (const run of undo) run()
  }
}

function noticedBy(copy: string, file: string | undefined): Promise<Verdict> {
  return file === undefined ? simulate(copy) : test(copy, file)
}

async function simulate(copy: string): Promise<Verdict> {
  const { code, output } = await run(copy, [
    '--import',
    './test/simulation/hooks.ts',
    'test/simulation/main.ts',
    '--brief',
    '--workers',
    '0',
    '--seeds',
    values.seeds,
  ])
  const seed = /^seed (\d+) fails:\n *[\d.-]+ ms ([^:]+):/m.exec(output)
  if (code !== 0 && seed !== null) return { isCaught: true, holds: false, by: `seed ${seed[1]}: ${seed[2]}` }
  return {
    isCaught: false,
    holds: code === 0,
    by: code === 0 ? `${values.seeds} seeds hold` : lastLine(output),
  }
}

async function test(copy: string, file: string): Promise<Verdict> {
  const { code, output } = await run(copy, ['--test', file])
  const failed = /^✖ (.+) \(/m.exec(output) ?? /^not ok \d+ - (.+)$/m.exec(output)
  if (code !== 0 && failed !== null) return { isCaught: true, holds: false, by: `${file}: ${failed[1]}` }
  return { isCaught: false, holds: code === 0, by: code === 0 ? `${file} holds` : lastLine(output) }
}

function run(cwd: string, args: readonly string[]): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd, timeout: limitMs, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    child.stdout.on('data', (data: Buffer) => (output += data.toString()))
    child.stderr.on('data', (data: Buffer) => (output += data.toString()))
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, output }))
  })
}

function lastLine(output: string): string {
  return output.trim().split('\n').at(-1) ?? 'no output'
}

await main()
