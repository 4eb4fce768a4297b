/**
 * A PostgreSQL server of our own in a directory: created once, reached over a private unix socket, and found again when the
 * process that started it has died. Nothing here decides who may use it; `embedded.ts` does.
 *
 *     no directory ── initdb ──► stopped ── spawn ──► starting ──► running ── SIGINT ──► stopped
 *                                   ▲                                 │ (parent killed: goes on running; adopted)
 *                                   └────────── crash, recovery ◄─────┘
 */

import { spawn, type ChildProcess } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { chmod, chown, mkdir, open, readFile, readlink, rm, stat } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

import { makeDataDirectory } from '../data-directory.ts'
import { findBinaries, type Binaries } from './binaries.ts'
import { exists, isCode, reachableDirectory, renameUnlessThere, serverUser, type RunAs } from './run-as.ts'

export const socketPort = 5432
export const databaseUser = 'troupe'

/** Where a server's files are and how it is run. */
export interface ServerPlace {
  /** Postgres' data directory. */
  readonly directory: string
  readonly socketDirectory: string
  readonly logFile: string
  readonly user: RunAs | undefined
  readonly binaries: Binaries
  readonly settings: Readonly<Record<string, string>>
}

export type Progress = (text: string) => void

// Linux allows 107 bytes for the path of a unix socket, others 103.
const socketPathBytes = 103
const pollMs = 10
const startTimeoutMs = 300_000
const maxStarts = 20

const defaultSettings: Readonly<Record<string, string>> = {
  listen_addresses: '',
  shared_buffers: '128MB',
  max_connections: '60',
  fsync: 'on',
  synchronous_commit: 'on',
  wal_compression: 'on',
  max_wal_size: '2GB',
  checkpoint_timeout: '15min',
  jit: 'off',
  io_method: 'sync',
  max_parallel_workers_per_gather: '0',
  max_logical_replication_workers: '0',
  log_min_messages: 'warning',
  timezone: 'UTC',
}

/** Finds or makes the directories. `settings` go beside and above the default ones. Throws `DataDirectoryUnusable`. */
export async function findPlace(
  dataDirectory: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<ServerPlace> {
  const user = await serverUser()
  // Passable but not readable for others where the server is another user.
  await makeDataDirectory(dataDirectory, user ? 0o711 : 0o700)
  const directory = await reachableDirectory(dataDirectory, 'postgres', user)
  const socketDirectory = await makeSocketDirectory(directory, user)
  const binaries = await findBinaries(user)
  const logFile = join(dataDirectory, 'postgres.log')
  return {
    directory,
    socketDirectory,
    logFile,
    user,
    binaries,
    settings: { ...defaultSettings, ...settings },
  }
}

/** A private directory for the socket: beside the data if its path is short enough, else in the temporary directory. */
async function makeSocketDirectory(directory: string, user: RunAs | undefined): Promise<string> {
  const beside = `${directory}.socket`
  const fits = Buffer.byteLength(join(beside, `.s.PGSQL.${socketPort}`)) <= socketPathBytes
  const digest = createHash('sha256').update(directory).digest('hex').slice(0, 16)
  const path = fits ? beside : join(tmpdir(), `troupe-${digest}`)
  const owner = user?.uid ?? process.getuid?.() ?? 0
  try {
    await mkdir(path, { mode: 0o700 })
    if (user) await chown(path, user.uid, user.gid)
  } catch (error) {
    if (!isCode(error, 'EEXIST')) throw error
  }
  const { uid } = await stat(path)
  if (uid !== owner)
    throw new Error(`${path} belongs to another user: remove it, or use another data directory.`)
  await chmod(path, 0o700)
  return path
}

/** Creates the data directory if there is none. Two processes may do so at once; one result is kept. */
export async function createCluster(place: ServerPlace, onProgress: Progress): Promise<void> {
  if (await exists(join(place.directory, 'PG_VERSION'))) return
  onProgress('Creating the database.')
  const making = `${place.directory}.${randomUUID()}`
  await mkdir(making, { mode: 0o700 })
  if (place.user) await chown(making, place.user.uid, place.user.gid)
  const args = [
    '--pgdata',
    making,
    '--username',
    databaseUser,
    '--auth',
    'trust',
    '--encoding',
    'UTF8',
    '--locale',
    'C',
    '--no-instructions',
  ]
  const child = spawn(place.binaries.initdb, args, {
    ...place.user,
    env: { LC_ALL: 'C' },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let stderr = ''
  child.stderr.on('data', (chunk) => (stderr += String(chunk)))
  const [code] = await once(child, 'close')
  if (code !== 0) {
    await rm(making, { recursive: true, force: true })
    throw new Error(`The database could not be created in ${place.directory}: ${stderr.trim()}`)
  }
  await renameUnlessThere(making, place.directory)
}

/**
 * True when the server takes connections: one that is running already, or one that is started here. False when it was not wanted any more
 * before it did; one that was started here is then ended.
 */
export async function ensureRunning(
  place: ServerPlace,
  onProgress: Progress,
  isWanted: () => boolean = () => true,
): Promise<boolean> {
  const begin = performance.now()
  let said = false
  let child: ChildProcess | undefined
  let starts = 0
  while (!((await isReady(place)) && (await canConnect(place)))) {
    if (!isWanted()) {
      // It may have no pid file yet by which others could end it.
      child?.kill('SIGINT')
      return false
    }
    const waitedMs = performance.now() - begin
    // A server that is being stopped, or that another process starts, still holds the directory for a moment.
    if (!isAlive(child) && !(await isHeld(place))) {
      if (starts++ >= maxStarts) throw await doesNotStart(place)
      if (starts > 1) await delay(100)
      await removeMisleadingPidFile(place)
      child = await spawnServer(place)
    }
    if (waitedMs > startTimeoutMs) throw await doesNotStart(place)
    if (!said && waitedMs > 1000) {
      said = true
      onProgress('Waiting for the database, which may be recovering from a crash.')
    }
    await delay(pollMs)
  }
  return true
}

function isAlive(child: ChildProcess | undefined): boolean {
  return child !== undefined && child.exitCode === null && child.signalCode === null
}

/** True while a process of this directory's server lives, whatever it is doing. */
async function isHeld(place: ServerPlace): Promise<boolean> {
  const pid = await serverPid(place)
  return pid !== undefined && isServer(place, pid)
}

async function doesNotStart(place: ServerPlace): Promise<Error> {
  return new Error(`PostgreSQL does not start. It says: ${await lastWords(place)}`)
}

async function spawnServer(place: ServerPlace): Promise<ChildProcess> {
  await using log = await open(place.logFile, 'a', 0o600)
  const settings = {
    ...place.settings,
    port: String(socketPort),
    unix_socket_directories: place.socketDirectory,
  }
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  // Detached: a Ctrl-C in the terminal is for us, and we stop the server when nobody needs it any more.
  const child = spawn(place.binaries.postgres, ['-D', place.directory, ...flags], {
    ...place.user,
    env: { LC_ALL: 'C' },
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
  })
  child.on('error', () => {})
  child.unref()
  return child
}

/** Stops the server: a fast shutdown, and after `timeoutMs` an immediate one, which the next start recovers from. */
export async function stopServer(place: ServerPlace, timeoutMs: number): Promise<void> {
  const pid = await serverPid(place)
  if (pid === undefined || !(await isServer(place, pid))) return
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) {
    if (!send(pid, signal)) return
    const deadline = performance.now() + timeoutMs
    while (performance.now() < deadline) {
      if (!(await isServer(place, pid))) return
      await delay(pollMs)
    }
  }
}

async function pidFile(place: ServerPlace): Promise<string[]> {
  try {
    return (await readFile(join(place.directory, 'postmaster.pid'), 'utf8')).split('\n')
  } catch (error) {
    if (isCode(error, 'ENOENT')) return []
    throw error
  }
}

/** The process that the pid file names, alive or not. */
export async function serverPid(place: ServerPlace): Promise<number | undefined> {
  const pid = Number((await pidFile(place))[0])
  return Number.isInteger(pid) && pid > 0 ? pid : undefined
}

async function isReady(place: ServerPlace): Promise<boolean> {
  return (await pidFile(place))[7]?.trim() === 'ready'
}

/** True if the process lives and is this directory's server. */
async function isServer(place: ServerPlace, pid: number): Promise<boolean> {
  if (!send(pid, 0)) return false
  try {
    // The server's working directory is its data directory; a process that has ended but is not yet reaped has none.
    return (await readlink(`/proc/${pid}/cwd`)) === place.directory
  } catch (error) {
    // Where there is no /proc, or the process is another user's, the number must do.
    return !isCode(error, 'ENOENT') || !(await exists('/proc/self'))
  }
}

/**
 * After a crash the number in the pid file may be that of some other process by now (in a container it often is), and Postgres
 * would refuse to start. If nothing lives under that number the file stays, for Postgres then makes better checks itself.
 */
async function removeMisleadingPidFile(place: ServerPlace): Promise<void> {
  const pid = await serverPid(place)
  if (pid === undefined || !send(pid, 0) || (await isServer(place, pid))) return
  await rm(join(place.directory, 'postmaster.pid'), { force: true })
  await rm(join(place.socketDirectory, `.s.PGSQL.${socketPort}.lock`), { force: true })
}

function send(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, signal)
    return true
  } catch (error) {
    return isCode(error, 'EPERM')
  }
}

async function canConnect(place: ServerPlace): Promise<boolean> {
  const socket = connect(join(place.socketDirectory, `.s.PGSQL.${socketPort}`))
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

async function lastWords(place: ServerPlace): Promise<string> {
  const text = await readFile(place.logFile, 'utf8').catch(() => '')
  return text.trim().split('\n').slice(-5).join(' ') || `nothing; see ${place.logFile}`
}
