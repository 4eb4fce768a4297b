/**
 * `npm run simulate:mutations -- [--seeds N] [--only TEXT]`: puts each fault of `mutations.ts` into a copy of the program, and runs what must
 * notice it. Prints a table; one that nothing notices makes the command fail.
 */

import { spawn } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { mutations, type Mutation } from './mutations.ts'

const root = join(import.meta.dirname, '..', '..')
const copied = ['protocol', 'storage', 'actors', 'gateway', 'test', 'package.json', 'nats.conf']
/** Nothing that is run here takes longer, milliseconds. */
const limitMs = 300_000

const { values } = parseArgs({
  options: {
    /** How many seeds a fault gets to show itself in. */
    seeds: { type: 'string', default: '400' },
    /** Only faults whose name contains this. */
    only: { type: 'string', default: '' },
  },
})

interface Verdict {
  readonly isCaught: boolean
  readonly by: string
}

async function main(): Promise<void> {
  const copy = mkdtempSync(join(tmpdir(), 'troupe-mutations-'))
  try {
    for (const name of copied) cpSync(join(root, name), join(copy, name), { recursive: true })
    // The tests' Postgres is the same; a changed migration makes another template in it.
    mkdirSync(join(root, '.tools'), { recursive: true })
    for (const name of ['node_modules', '.tools']) symlinkSync(join(root, name), join(copy, name))
    const chosen = mutations.filter(({ name }) => name.includes(values.only))
    const missed: Mutation[] = []
    for (const mutation of chosen) {
      const { isCaught, by } = await judge(copy, mutation)
      console.log(`${isCaught ? 'caught' : 'MISSED'}  ${mutation.name.padEnd(72)} ${by}`)
      if (!isCaught) missed.push(mutation)
    }
    console.log(`${chosen.length - missed.length} of ${chosen.length} faults are noticed`)
    if (missed.length > 0) process.exitCode = 1
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}

/** Puts the fault in, runs what must notice it, and takes it out again. */
async function judge(copy: string, mutation: Mutation): Promise<Verdict> {
  const path = join(copy, mutation.file)
  const text = readFileSync(path, 'utf8')
  if (text.split(mutation.find).length !== 2)
    return { isCaught: false, by: `"${mutation.find}" does not stand once in ${mutation.file}` }
  writeFileSync(
    path,
    text.replace(mutation.find, () => mutation.replace),
  )
  try {
    return mutation.test === undefined ? await simulate(copy) : await test(copy, mutation.test)
  } finally {
    writeFileSync(path, text)
  }
}

async function simulate(copy: string): Promise<Verdict> {
  const { code, output } = await run(copy, [
    '--import',
    './test/simulation/hooks.ts',
    'test/simulation/main.ts',
    '--brief',
    '--seeds',
    values.seeds,
  ])
  const seed = /^seed (\d+) fails:\n *[\d.-]+ ms ([^:]+):/m.exec(output)
  if (code !== 0 && seed !== null) return { isCaught: true, by: `seed ${seed[1]}: ${seed[2]}` }
  return { isCaught: false, by: code === 0 ? `${values.seeds} seeds hold` : lastLine(output) }
}

async function test(copy: string, file: string): Promise<Verdict> {
  const { code, output } = await run(copy, ['--test', file])
  const failed = /^✖ (.+) \(/m.exec(output) ?? /^not ok \d+ - (.+)$/m.exec(output)
  if (code !== 0 && failed !== null) return { isCaught: true, by: `${file}: ${failed[1]}` }
  return { isCaught: false, by: code === 0 ? `${file} holds` : lastLine(output) }
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
