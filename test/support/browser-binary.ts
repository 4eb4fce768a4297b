/**
 * Where the tests find Chromium: on PATH, under the names that distributions and its makers give it; else, where this process may install
 * packages of the system (root with apt, as in a container), it is installed once from there. Anything else is a failure that says what
 * to do: the page has not been looked at then.
 */

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)
const names = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome', 'chrome']
const installMs = 300_000

const remedy =
  'Install Chromium so that one of these names is on PATH: ' +
  `${names.join(', ')} (on Debian: apt-get install chromium).`

let found: Promise<string> | undefined

/** The command that runs a Chromium. Rejects with a sentence that says what to do. */
export function browserBinary(): Promise<string> {
  found ??= find()
  return found
}

async function find(): Promise<string> {
  const present = await firstThatRuns()
  if (present !== undefined) return present
  await install()
  const installed = await firstThatRuns()
  if (installed === undefined) throw new Error(`The Chromium that was installed does not run. ${remedy}`)
  return installed
}

async function firstThatRuns(): Promise<string | undefined> {
  for (const name of names) {
    const runs = await run(name, ['--version'], { timeout: 30_000 }).then(
      () => true,
      () => false,
    )
    if (runs) return name
  }
  return undefined
}

async function install(): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error(`There is no Chromium. ${remedy}`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const options = { env, timeout: installMs, maxBuffer: 64 * 1024 * 1024 }
  try {
    await run('apt-get', ['update', '--quiet'], options)
    await run('apt-get', ['install', '--quiet', '--yes', '--no-install-recommends', 'chromium'], options)
  } catch (error) {
    throw new Error(`There is no Chromium, and it could not be installed. ${remedy}`, { cause: error })
  }
}
