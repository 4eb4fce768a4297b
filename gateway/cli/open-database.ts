/**
 * The database as commands reach it beside a running server: by DATABASE_URL, or by the embedded server's socket if that runs.
 */

import { join } from 'node:path'
import { stat } from 'node:fs/promises'
import type { SocketAddress } from '#storage/connection.ts'
import { addressOf, startEmbedded } from '#storage/embedded.ts'
import { findPlace, serverPid } from '#storage/embedded/server.ts'
import { type Database, openDatabase } from '#storage/pool.ts'
import type { Config } from '../config/schema.ts'
import { CommandError } from './command.ts'

/** How the connections of commands are called in `pg_stat_activity`, followed by what each is for. */
export const commandName = 'troupe command'

/** The database that is there now. Throws CommandError when the embedded server does not run. */
export async function openExisting(config: Config): Promise<Database> {
  const address = config.databaseUrl ?? (await embeddedAddress(config.dataDir))
  if (address === undefined) {
    throw new CommandError(
      `No Troupe runs on the data directory ${config.dataDir}. Start it with: npx troupe start`,
    )
  }
  return open(address)
}

/** As openExisting, but starts the embedded server if need be, and stops it again when disposed. */
export async function openOrStart(
  config: Config,
  onProgress: (text: string) => void,
): Promise<{ readonly database: Database } & AsyncDisposable> {
  await using opening = new AsyncDisposableStack()
  const address =
    config.databaseUrl ??
    opening.use(await startEmbedded({ dataDirectory: config.dataDir, onProgress })).address
  const database = opening.use(await open(address))
  const resources = opening.move()
  return { database, [Symbol.asyncDispose]: () => resources.disposeAsync() }
}

/** Where the embedded server listens, if its files name a process; nothing is created in a directory without one. */
async function embeddedAddress(dataDirectory: string): Promise<SocketAddress | undefined> {
  const exists = await stat(join(dataDirectory, 'postgres')).then(
    () => true,
    () => false,
  )
  if (!exists) return undefined
  const place = await findPlace(dataDirectory)
  return (await serverPid(place)) === undefined ? undefined : addressOf(place)
}

function open(url: string | SocketAddress): Promise<Database> {
  return openDatabase({
    url,
    reads: 1,
    statementTimeoutMs: 30_000,
    lockTimeoutMs: 10_000,
    idleInTransactionMs: 5_000,
    applicationName: commandName,
  })
}
