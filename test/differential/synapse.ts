/** Synapse as a second opinion: its rules run in a process of their own, from a virtual environment that only this command uses. */

import { execFile, spawn } from 'node:child_process'
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'

const run = promisify(execFile)
const root = join(import.meta.dirname, '..', '..')
const environment = join(root, '.tools', 'synapse')
const python = join(environment, 'bin', 'python')
const driver = join(import.meta.dirname, 'synapse-driver.py')

/** The release that the explanations have been written for. */
const release = 'matrix-synapse==1.163.2'
const installLimitMs = 10 * 60_000

/** Makes the virtual environment if it is not there. Needs `python3` on the path, and takes wheels only. */
export async function installSynapse(): Promise<void> {
  try {
    await access(join(environment, 'installed'))
    return
  } catch {
    await run('python3', ['-m', 'venv', environment], { timeout: installLimitMs })
    await run(python, ['-m', 'pip', 'install', '--quiet', '--only-binary', ':all:', release], {
      timeout: installLimitMs,
    })
    await run(python, ['-c', `import synapse; open(${JSON.stringify(join(environment, 'installed'))}, 'w')`])
  }
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
