/** Synapse as a second opinion: its rules run in a process of their own, from a virtual environment that only this command uses. */

import { execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'

const run = promisify(execFile)
const root = join(import.meta.dirname, '..', '..')
const environment = join(root, '.tools', 'synapse')
const python = join(environment, 'bin', 'python')
const driver = join(import.meta.dirname, 'synapse-driver.py')

/** The release that the explanations have been written for. */
const release = '1.163.2'
/** Is there when that release has been installed to its end. */
const marker = join(environment, `installed-${release}`)
const installLimitMs = 10 * 60_000

/**
 * Makes the virtual environment with Synapse from PyPI, unless it is there. Says on standard error what takes its time. Takes
 * wheels only, and throws an Error that says what is missing.
 */
export async function installSynapse(): Promise<void> {
  if (existsSync(marker)) return
  console.error(
    `Installing Synapse ${release} from PyPI into ${relative(root, environment)}; this takes some minutes.`,
  )
  try {
    await run('python3', ['-m', 'venv', '--clear', environment], { timeout: installLimitMs })
    const packages = ['--only-binary', ':all:', `matrix-synapse==${release}`]
    await run(python, ['-m', 'pip', 'install', '--quiet', ...packages], { timeout: installLimitMs })
    await run(python, ['-c', 'import synapse.event_auth, synapse.state.v2'], { timeout: installLimitMs })
  } catch (cause) {
    const remedy = 'python3 with its module venv must be on the path, and pip must reach PyPI'
    throw new Error(`Synapse ${release} could not be installed: ${remedy}.`, { cause })
  }
  await writeFile(marker, '')
}

/**
 * The answers to these questions (see synapse-driver.py), in their order. Throws when Synapse does not answer all of them in
 * time.
 */
export async function askSynapse(
  questions: readonly unknown[],
  limitMs: number,
): Promise<readonly unknown[]> {
  const child = spawn(python, [driver], {
    stdio: ['pipe', 'pipe', 'inherit'],
    timeout: limitMs,
  })
  // A process that has ended early shows by its missing answers.
  child.stdin.on('error', () => undefined)
  child.stdin.end(questions.map((question) => `${JSON.stringify(question)}\n`).join(''))
  const answers: unknown[] = []
  for await (const line of createInterface({ input: child.stdout })) answers.push(JSON.parse(line))
  if (answers.length !== questions.length)
    throw new Error(`Synapse answered ${answers.length} of ${questions.length} questions.`)
  return answers
}
