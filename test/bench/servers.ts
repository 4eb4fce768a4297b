/** The processes of a benchmark: PostgreSQL, the reference, Troupe, the null server, the generator. Each is ended by its own id. */

import { fork, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, realpath, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

import { openSql, socketUrl, type SocketAddress, type Sql } from '#storage/connection.ts'
import { addressOf } from '#storage/embedded.ts'
import { createCluster, ensureRunning, findPlace, serverPid, stopServer } from '#storage/embedded/server.ts'
import { freePort, testSettings } from '#test/support/process.ts'
import { ask, HttpConnection, requestText } from './http-connection.ts'
import type { LoadResult, Workload } from './workloads.ts'

const root = join(import.meta.dirname, '..', '..')
const startLimitMs = 60_000
const stopLimitMs = 10_000
const workloadLimitMs = 180_000

export interface Server extends AsyncDisposable {
  readonly port: number
  readonly pid: number
  /** From the start of the process to its first good answer, milliseconds. */
  readonly startMs: number
  /** What it has printed. */
  output(): string
}

export interface BenchDatabase extends AsyncDisposable {
  readonly postmasterPid: number
  /** Makes an empty database, and returns its address. */
  create(name: string): Promise<SocketAddress>
  /** Bytes of a database's files after a checkpoint. */
  bytes(name: string): Promise<number>
}

function clientOf(address: SocketAddress): Sql {
  const limits = { statementTimeoutMs: 120_000, lockTimeoutMs: 10_000, idleInTransactionMs: 10_000 }
  return openSql(
    { url: address, reads: 1, applicationName: 'bench', ...limits },
    { purpose: 'set-up', max: 1 },
  )
}

/** A new PostgreSQL in a directory that is removed at the end, with the settings with which Troupe ships it, but for those given. */
export async function startDatabase(settings: Readonly<Record<string, string>> = {}): Promise<BenchDatabase> {
  const directory = join(root, '.tools', `bench-${process.pid}`)
  const place = await findPlace(directory, settings)
  await createCluster(place, () => {})
  await ensureRunning(place, () => {})
  const sql = clientOf(addressOf(place))
  return {
    postmasterPid: (await serverPid(place)) ?? 0,
    async create(name) {
      await sql.unsafe(`create database ${name} template template0`)
      return { ...addressOf(place), database: name }
    },
    async bytes(name) {
      await sql`checkpoint`
      const [row] = await sql<{ size: number }[]>`select pg_database_size(${name}) as size`
      return row?.size ?? 0
    },
    async [Symbol.asyncDispose]() {
      await sql.end({ timeout: 1 })
      await stopServer(place, stopLimitMs)
      await rm(await realpath(place.directory), { recursive: true, force: true })
      await rm(place.socketDirectory, { recursive: true, force: true })
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** A data directory for a Troupe that starts its own PostgreSQL; removed at the end. */
export async function temporaryDataDirectory(
  name: string,
): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = join(root, '.tools', `bench-${process.pid}-${name}`)
  await mkdir(path, { recursive: true, mode: 0o711 })
  return {
    path,
    async [Symbol.asyncDispose]() {
      // Where the program runs as root, the database may lie elsewhere, behind a link.
      const database = await realpath(join(path, 'postgres')).catch(() => path)
      await rm(database, { recursive: true, force: true })
      await rm(path, { recursive: true, force: true })
    },
  }
}

/** How many messages of a room the reference has stored. */
export async function countMessages(address: SocketAddress, roomId: string): Promise<number> {
  const sql = clientOf(address)
  try {
    const [row] = await sql<
      { found: number }[]
    >`select count(*) as found from message where room_id = ${roomId}`
    return row?.found ?? 0
  } finally {
    await sql.end({ timeout: 1 })
  }
}

interface Run {
  readonly args: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  /** The port, if it is known before; else the first line of output names it. */
  readonly port?: number
}

function ended(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

async function stop(child: ChildProcess): Promise<void> {
  if (ended(child)) return
  const exit = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), stopLimitMs)
  await exit
  clearTimeout(timer)
}

async function start(run: Run): Promise<Server> {
  const startedAt = performance.now()
  const child = spawn(process.execPath, run.args, {
    env: run.env,
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => (text = (text + chunk.toString()).slice(-100_000)))
  }
  try {
    for (;;) {
      const port = run.port ?? Number(/^(\d+)\n/.exec(text)?.[1] ?? 0)
      if (port > 0 && (await answers(port))) {
        const startMs = performance.now() - startedAt
        return {
          port,
          pid: child.pid ?? 0,
          startMs,
          output: () => text,
          [Symbol.asyncDispose]: () => stop(child),
        }
      }
      if (ended(child)) throw new Error(`${run.args.join(' ')} has ended:\n${text}`)
      if (performance.now() - startedAt > startLimitMs)
        throw new Error(`${run.args.join(' ')} does not answer:\n${text}`)
      await delay(3)
    }
  } catch (error) {
    await stop(child)
    throw error
  }
}

async function answers(port: number): Promise<boolean> {
  const connection = new HttpConnection(port)
  try {
    return (await ask(connection, requestText('GET', '/_matrix/client/versions', ''))).status === 200
  } catch {
    return false
  } finally {
    connection.close()
  }
}

export function startReference(address: SocketAddress): Promise<Server> {
  return start({ args: [join(import.meta.dirname, 'reference.ts'), socketUrl(address)] })
}

export function startNull(): Promise<Server> {
  return start({ args: [join(import.meta.dirname, 'null-server.ts')] })
}

export interface TroupeOptions {
  /** Absent: an embedded one in the data directory. */
  readonly database?: SocketAddress
  readonly dataDirectory: string
  /** With an inspector, whose address is then in the output. */
  readonly inspect?: boolean
}

/** Troupe as `npx troupe start` starts it, one process. */
export async function startTroupe(options: TroupeOptions): Promise<Server> {
  const port = await freePort()
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(TROUPE_|DATABASE_URL|NATS_URL)/.test(name),
  )
  const { database, dataDirectory } = options
  const env = {
    ...Object.fromEntries(inherited),
    ...testSettings,
    TROUPE_LISTEN: `127.0.0.1:${port}`,
    TROUPE_DATA_DIR: dataDirectory,
    ...(database === undefined ? {} : { DATABASE_URL: socketUrl(database) }),
  }
  const flags = options.inspect ? ['--inspect=127.0.0.1:0'] : []
  return start({ args: [...flags, join(root, 'gateway', 'troupe.js'), 'start'], env, port })
}

export interface Generator extends AsyncDisposable {
  /** Rejects when the generator has ended, or takes much too long. */
  run(load: Workload): Promise<LoadResult>
  /** Ends the process at once. */
  stop(): void
}

/** The process that makes the load. */
export function startGenerator(): Generator {
  const child = fork(join(import.meta.dirname, 'load.ts'), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  return {
    stop: () => void child.kill('SIGKILL'),
    async run(load) {
      if (ended(child)) throw new Error('the generator has ended')
      const over = new AbortController()
      const signal = AbortSignal.any([over.signal, AbortSignal.timeout(workloadLimitMs)])
      const reply = once(child, 'message', { signal })
      const exit = once(child, 'exit', { signal })
      child.send(load)
      try {
        const first = await Promise.race([reply, exit.then(() => undefined)])
        if (first === undefined) throw new Error('the generator has ended')
        return first[0] as LoadResult
      } finally {
        over.abort()
        await Promise.allSettled([reply, exit])
      }
    },
    [Symbol.asyncDispose]: () => stop(child),
  }
}
