/** What must be true of a Postgres server before anything is entrusted to it. */

import type { Session } from './session.ts'

/** The server would lose or damage data. The message names the setting and the remedy. */
export class UnsafeSettings extends Error {
  override readonly name = 'UnsafeSettings'
}

export interface Settings {
  readonly version: number
  readonly fsync: string
  readonly synchronousCommit: string
  readonly encoding: string
  readonly inRecovery: boolean
}

/** The sentence about the first setting that is not safe, or undefined if all are. */
export function unsafeSetting(settings: Settings): string | undefined {
  if (settings.version < 140000) {
    return `PostgreSQL ${Math.floor(settings.version / 10000)} is too old: use version 14 or newer.`
  }
  if (settings.encoding !== 'UTF8') {
    return `The database has the encoding ${settings.encoding}: create it with "create database … encoding 'UTF8' template template0".`
  }
  if (settings.fsync === 'off') {
    return 'The server runs with fsync=off and would lose data in a crash: set fsync = on in postgresql.conf and restart it.'
  }
  if (settings.synchronousCommit === 'off') {
    return 'synchronous_commit is off, so acknowledged messages could be lost: set it to on for this server, database and role.'
  }
  if (settings.inRecovery) {
    return 'This server is a standby and takes no writes: connect to the primary, for example with target_session_attrs=primary.'
  }
  return undefined
}

/** Throws `UnsafeSettings` unless the server behind the session may be used. */
export async function checkSettings(session: Session): Promise<void> {
  const [settings] = await session.sql<Settings[]>`
    select current_setting('server_version_num')::integer as version, current_setting('fsync') as fsync,
      current_setting('synchronous_commit') as "synchronousCommit", current_setting('server_encoding') as encoding,
      pg_is_in_recovery() as "inRecovery"`
  const problem = settings && unsafeSetting(settings)
  if (problem !== undefined) throw new UnsafeSettings(problem)
}
