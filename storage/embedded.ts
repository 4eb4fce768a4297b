/**
 * The embedded PostgreSQL: a real server under the data directory, for one process. It goes on running if that process is killed, and
 * the next one adopts it. A session lock in the server itself says who the one process is, for it ends with its owner, however that
 * ends.
 */

import { setTimeout as delay } from 'node:timers/promises'

import { openSql, type Sql, type SocketAddress } from './connection.ts'
import { inDataDirectory } from './data-directory.ts'
import {
  createCluster,
  databaseUser,
  ensureRunning,
  findPlace,
  socketPort,
  stopServer,
} from './embedded/server.ts'
import type { Progress, ServerPlace } from './embedded/server.ts'
import { embeddedDown } from './events.ts'

export interface EmbeddedOptions {
  readonly dataDirectory: string
  /** Told what takes long, in words for a person. */
  readonly onProgress?: Progress
  /** Server settings beside the default ones. */
  readonly settings?: Readonly<Record<string, string>>
  /** When it is aborted a server that does not take connections yet is not waited for any more. */
  readonly cut?: AbortSignal | undefined
  /** Milliseconds that a shutdown may take before it is cut short. */
  readonly stopTimeoutMs?: number
}

/** Another process uses the data directory. */
export class DataDirectoryInUse extends Error {
  override readonly name = 'DataDirectoryInUse'
}

export interface EmbeddedPostgres extends AsyncDisposable {
  /** For `StorageOptions.url`. */
  readonly address: SocketAddress
}

// In the space of two-number locks, which host ids do not use.
const ownerLock = [1, 0] as const
// A session of a process that was just killed ends within milliseconds.
const lockAttempts = 20
/** Between two times that a server is tried that does not start. */
const recoverEveryMs = 1000

/**
 * Starts the server or adopts one that was left running. Throws `DataDirectoryInUse` if another process has it,
 * `DataDirectoryUnusable` if it cannot be written, an Error once it is cut. Disposing stops the server.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const onProgress = options.onProgress ?? (() => {})
  const place = await preparePlace(options, onProgress)
  const isRunning = await ensureRunning(place, onProgress, () => options.cut?.aborted !== true)
  if (!isRunning) throw new Error('The database was not waited for any longer, for the process ends.')
  const keeper = new Keeper(place, options.dataDirectory)
  try {
    await keeper.take()
  } catch (error) {
    await keeper.release()
    throw error
  }
  return {
    address: addressOf(place),
    async [Symbol.asyncDispose]() {
      if (!keeper.isHeld) return
      // The lock is held until the server is down: a second process never sees a server that is going.
      const stopping = await keeper.beginRelease()
      await stopServer(place, options.stopTimeoutMs ?? 4000)
      await stopping()
    },
  }
}

function preparePlace(options: EmbeddedOptions, onProgress: Progress): Promise<ServerPlace> {
  const { dataDirectory, settings } = options
  return inDataDirectory(dataDirectory, async () => {
    const place = await findPlace(dataDirectory, settings)
    await createCluster(place, onProgress)
    return place
  })
}

/** How to reach a server at that place. */
export function addressOf(place: ServerPlace): SocketAddress {
  return { host: place.socketDirectory, port: socketPort, database: 'postgres', user: databaseUser }
}

/** Holds the session lock; brings the server back if it died under us. */
class Keeper {
  readonly #place: ServerPlace
  readonly #dataDirectory: string
  readonly #sql: Sql
  #held = false
  #recovering: Promise<void> | undefined
  /** Aborted when a lost connection is meant. */
  readonly #ending = new AbortController()

  constructor(place: ServerPlace, dataDirectory: string) {
    this.#place = place
    this.#dataDirectory = dataDirectory
    const options = {
      url: addressOf(place),
      reads: 1,
      statementTimeoutMs: 5000,
      lockTimeoutMs: 5000,
      idleInTransactionMs: 5000,
      applicationName: 'troupe',
    }
    this.#sql = openSql(options, { purpose: `process ${process.pid}`, max: 1, onClose: () => this.#lost() })
  }

  get isHeld(): boolean {
    return this.#held
  }

  async take(): Promise<void> {
    for (let attempt = 0; attempt < lockAttempts; attempt++) {
      const [row] = await this.#sql<{ taken: boolean }[]>`
        select pg_try_advisory_lock(${ownerLock[0]}::integer, ${ownerLock[1]}::integer) as taken, pg_sleep(0.02)`
      if (row?.taken) {
        this.#held = true
        return
      }
    }
    const [other] = await this.#sql<{ name: string }[]>`
      select a.application_name as name from pg_locks l join pg_stat_activity a using (pid)
      where l.locktype = 'advisory' and l.classid = ${ownerLock[0]} and l.objsubid = 2 and l.granted`
    const who = other?.name.replace('troupe ', '') ?? 'a process'
    throw new DataDirectoryInUse(
      `The data directory ${this.#dataDirectory} is in use by another Troupe (${who}): stop that one first, or set ` +
        'TROUPE_DATA_DIR to another directory.',
    )
  }

  /** From now on a lost connection is meant. Returns what ends it. */
  async beginRelease(): Promise<() => Promise<void>> {
    this.#held = false
    this.#ending.abort()
    await this.#recovering
    // The lock may have been taken again meanwhile.
    this.#held = false
    return () => this.release()
  }

  async release(): Promise<void> {
    this.#held = false
    await this.#sql.end({ timeout: 0 })
  }

  /** The server ended our session: it has crashed and restarts by itself, or its process is gone and we start another. */
  #lost(): void {
    if (!this.#held || this.#recovering !== undefined) return
    this.#recovering = this.#recover().finally(() => {
      this.#recovering = undefined
    })
  }

  /** Tries until the server is there again: what keeps it from starting, a full disk for instance, may go away. */
  async #recover(): Promise<void> {
    while (this.#held) {
      try {
        await ensureRunning(
          this.#place,
          () => {},
          () => this.#held,
        )
        if (this.#held) await this.take()
        return
      } catch (error) {
        embeddedDown({ error })
        await delay(recoverEveryMs, undefined, { ref: false, signal: this.#ending.signal }).catch(() => {})
      }
    }
  }
}
