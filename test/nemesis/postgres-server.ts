/**
 * A PostgreSQL server of a scenario's own, which can be killed, stood still, copied while it runs, followed by a standby and promoted: what a
 * scenario may not do to the server that all tests share.
 */

import { execFile } from 'node:child_process'
import { chmod, chown, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { openSql, type SocketAddress, type Sql, type StorageOptions } from '#storage/connection.ts'
import {
  createCluster,
  databaseUser,
  ensureRunning,
  findPlace,
  serverPid,
  socketPort,
  stopServer,
} from '#storage/embedded/server.ts'
import type { Binaries } from '#storage/embedded/binaries.ts'
import type { ServerPlace } from '#storage/embedded/server.ts'
import { SmallDisk } from '../support/small-disk.ts'

const run = promisify(execFile)

type Settings = Readonly<Record<string, string>>

/** Small, and such that a standby finds what it missed. */
const settings: Settings = {
  shared_buffers: '64MB',
  max_connections: '120',
  wal_keep_size: '512MB',
  hot_standby: 'on',
}
/** Little is kept of what was written ahead. */
const shortLog: Settings = { wal_keep_size: '0', min_wal_size: '32MB', max_wal_size: '48MB' }
const stopMs = 10_000
const waitMs = 30_000
const pollMs = 20

const databaseName = 'arena'

export class PostgresServer implements AsyncDisposable {
  readonly #place: ServerPlace
  readonly #root: string
  #disk: SmallDisk | undefined

  constructor(place: ServerPlace, root: string) {
    this.#place = place
    this.#root = root
  }

  /** Where processes find the database. */
  get address(): SocketAddress {
    return { host: this.#place.socketDirectory, port: socketPort, database: databaseName, user: databaseUser }
  }

  /** On which the tables are, or what is written ahead; undefined: everything is on the ordinary one. */
  get disk(): SmallDisk | undefined {
    return this.#disk
  }

  get socket(): string {
    return join(this.#place.socketDirectory, `.s.PGSQL.${socketPort}`)
  }

  /** Starts it, also after a crash. */
  async start(): Promise<void> {
    await ensureRunning(this.#place, () => {})
  }

  /** Ends it in good order. */
  stop(): Promise<void> {
    return stopServer(this.#place, stopMs)
  }

  /** The server and all its children end at once, as when the machine does. */
  async kill(): Promise<void> {
    for (const pid of await this.#pids()) signal(pid, 'SIGKILL')
    const endMs = performance.now() + stopMs
    while ((await this.#pids()).length > 0 && performance.now() < endMs) await delay(pollMs)
  }

  /** Makes a standby its own master. Returns when it takes writes. */
  async promote(): Promise<void> {
    await using sql = this.#open()
    await sql.client`select pg_promote(true, 30)`
    await until(async () => {
      const [row] = await sql.client<{ away: boolean }[]>`select pg_is_in_recovery() as away`
      return row?.away === false
    })
  }

  /** Sets something for good and makes it known to the running server. */
  async set(name: string, value: string): Promise<void> {
    await using sql = this.#open()
    await sql.client.unsafe(`alter system set ${name} = '${value}'`)
    await sql.client`select pg_reload_conf()`
  }

  /** Waits until so many stream from it, synchronously if asked for. */
  async followed(state: 'async' | 'sync', count = 1): Promise<void> {
    await using sql = this.#open()
    await until(async () => {
      const rows = await sql.client<{ sync_state: string }[]>`
        select sync_state from pg_stat_replication where state = 'streaming'`
      return rows.filter((row) => state === 'async' || row.sync_state !== 'async').length >= count
    })
  }

  /** A copy of the disk as it is now, taken while the server runs. It is another server, not yet started. */
  async copy(): Promise<PostgresServer> {
    const { place, root } = await makePlace(this.#place.binaries)
    await using sql = this.#open()
    await sql.client`select pg_backup_start('copy', true)`
    await rm(place.directory, { recursive: true, force: true })
    await run('cp', ['-a', this.#place.directory, place.directory])
    const [stopped] = await sql.client<{ labelfile: string }[]>`select labelfile from pg_backup_stop(false)`
    // What was written while the copy was taken is needed to make it whole, and must be on the disk for that.
    await sql.client`checkpoint`
    await run('cp', ['-a', `${join(this.#place.directory, 'pg_wal')}/.`, join(place.directory, 'pg_wal')])
    await rm(join(place.directory, 'postmaster.pid'), { force: true })
    const copy = new PostgresServer(place, root)
    await copy.#write('backup_label', stopped?.labelfile ?? '')
    return copy
  }

  /** A copy that follows this server over a socket in that directory, and runs. */
  async standby(socketDirectory = this.#place.socketDirectory): Promise<PostgresServer> {
    const standby = await this.copy()
    const source = `host=${socketDirectory} port=${socketPort} user=${databaseUser} application_name=standby`
    await standby.#write('standby.signal', '')
    await standby.#write('postgresql.auto.conf', `primary_conninfo = '${source}'\n`)
    await standby.start()
    return standby
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await stopServer(this.#place, 2000)
    await this.kill()
    await this.#disk?.[Symbol.asyncDispose]()
    await rm(this.#place.directory, { recursive: true, force: true })
    await rm(this.#place.socketDirectory, { recursive: true, force: true })
    await rm(this.#root, { recursive: true, force: true })
  }

  /** Ends all connections to the database; there can be no others until it is made anew. */
  async close(): Promise<void> {
    await using sql = this.#open()
    await sql.client.unsafe(`alter database ${databaseName} allow_connections false`)
    await sql.client`select pg_terminate_backend(pid, ${waitMs}) from pg_stat_activity where datname = ${databaseName}`
  }

  /** Creates the empty database, on a disk of its own where that has a size. */
  async createDatabase(tablesMegabytes?: number): Promise<void> {
    await using sql = this.#open()
    if (tablesMegabytes === undefined) {
      await sql.client.unsafe(`create database ${databaseName}`)
      return
    }
    this.#disk = await SmallDisk.mount(tablesMegabytes, this.#place.user)
    await sql.client.unsafe(`create tablespace small location '${this.#disk.directory}'`)
    await sql.client.unsafe(`create database ${databaseName} tablespace small`)
  }

  /** Before the first start: what is written ahead goes to a disk of its own. */
  async moveLog(megabytes: number): Promise<void> {
    this.#disk = await SmallDisk.mount(megabytes, this.#place.user)
    const log = join(this.#place.directory, 'pg_wal')
    await run('cp', ['-a', `${log}/.`, this.#disk.directory])
    await rm(log, { recursive: true })
    await symlink(this.#disk.directory, log)
  }

  /** Begins the next file of what is written ahead. Rejects when there is no space for it. */
  async nextLogFile(): Promise<void> {
    await using sql = this.#open()
    await sql.client`select pg_switch_wal()`
  }

  /** Whether the server's process runs. */
  async isRunning(): Promise<boolean> {
    return (await this.#pids()).length > 0
  }

  #open(): { client: Sql } & AsyncDisposable {
    const options: StorageOptions = {
      url: { ...this.address, database: 'postgres' },
      reads: 1,
      statementTimeoutMs: waitMs,
      lockTimeoutMs: waitMs,
      idleInTransactionMs: waitMs,
      applicationName: 'nemesis',
    }
    const client = openSql(options, { purpose: 'operator', max: 1 })
    return { client, [Symbol.asyncDispose]: () => client.end({ timeout: 1 }) }
  }

  async #write(name: string, text: string): Promise<void> {
    const path = join(this.#place.directory, name)
    await writeFile(path, text, { mode: 0o600 })
    const { user } = this.#place
    if (user !== undefined) await chown(path, user.uid, user.gid)
  }

  /** The server's process and its children; none where it does not run. */
  async #pids(): Promise<number[]> {
    const main = await serverPid(this.#place)
    if (main === undefined) return []
    const names = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
    const found = await Promise.all(
      names.map(async (name) => ({ pid: Number(name), ...(await statOf(name)) })),
    )
    return found
      .filter(({ pid, parent, state }) => state !== 'Z' && (pid === main || parent === main))
      .filter(({ command }) => command === 'postgres')
      .map(({ pid }) => pid)
  }
}

/** A part of a server that is on a small disk. */
export interface SmallPart {
  readonly of: 'tables' | 'log'
  readonly megabytes: number
}

/**
 * Starts a server with an empty database. Everything of it is gone when it is disposed. `binaries`: absent, the embedded ones. `small`:
 * absent, everything is on the ordinary disk.
 */
export async function startPostgres(binaries?: Binaries, small?: SmallPart): Promise<PostgresServer> {
  const { place, root } = await makePlace(binaries, small?.of === 'log' ? shortLog : {})
  await createCluster(place, () => {})
  const server = new PostgresServer(place, root)
  if (small?.of === 'log') await server.moveLog(small.megabytes)
  await server.start()
  await server.createDatabase(small?.of === 'tables' ? small.megabytes : undefined)
  return server
}

async function makePlace(
  binaries?: Binaries,
  special: Settings = {},
): Promise<{ place: ServerPlace; root: string }> {
  const root = await mkdtemp(join(tmpdir(), 'arena-pg-'))
  // The server may run as another user, who has to pass.
  await chmod(root, 0o711)
  const place = await findPlace(join(root, 'data'), { ...settings, ...special })
  if (binaries === undefined || binaries.postgres === place.binaries.postgres) return { root, place }
  // Older servers do not know this one.
  const { io_method: _unknown, ...known } = place.settings
  return { root, place: { ...place, binaries, settings: known } }
}

async function statOf(pid: string): Promise<{ command: string; state: string; parent: number }> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  const [, command = '', state = '', parent = ''] = /^\d+ \((.*)\) (\S) (\d+)/.exec(text) ?? []
  return { command, state, parent: Number(parent) }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // It has ended already.
  }
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + waitMs
  while (!(await condition())) {
    if (performance.now() > endMs)
      throw new Error(`PostgreSQL does not do in ${waitMs} ms what was asked of it`)
    await delay(pollMs)
  }
}
