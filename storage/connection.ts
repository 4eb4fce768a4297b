/**
 * How this project speaks to Postgres: the options of every connection, and the types of its values. `int8` is a
 * JavaScript number, for every number that the schema holds is below 2^53; the two masks of a log row are 64 bits wide and
 * are therefore always selected as text.
 */

import { parseJson } from '#protocol/json/parse.ts'
import postgres from 'postgres'
import { connectionSilent } from './events.ts'
import type { PoolLoads } from './pool-loads.ts'
import { replacedWhenLost } from './replaced-when-lost.ts'

/** A client with this project's types. Only `pool.ts` and `session.ts` hand it out. */
export type Sql = postgres.Sql<{ bigint: number }>

/** A server on a private unix socket. */
export interface SocketAddress {
  /** The directory that holds the socket, or a host name. */
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
}

export interface StorageOptions {
  /** `postgres://…`, or where the socket is. */
  readonly url: string | SocketAddress
  /** The most connections that reads use. */
  readonly reads: number
  readonly statementTimeoutMs: number
  readonly lockTimeoutMs: number
  /** Postgres ends a session that has left a transaction open for so long. */
  readonly idleInTransactionMs: number
  /** See `ConnectionPurpose`, for all connections but those of committers and migrations. Default 15,000. */
  readonly answerLimitMs?: number
  /** Shown in `pg_stat_activity`, followed by what the connection is for. */
  readonly applicationName: string
  /** When it is aborted every connection ends at once, and what waits for an answer fails. */
  readonly cut?: AbortSignal | undefined
}

/** What differs between the connections of one process. */
export interface ConnectionPurpose {
  readonly purpose: string
  readonly max: number
  readonly readOnly?: boolean
  /** Called when a connection was lost. */
  readonly onClose?: () => void
  /** Where they are counted. */
  readonly loads?: PoolLoads
  /** Milliseconds without any answer after which a connection with statements under way is thrown away; absent: never. */
  readonly answerLimitMs?: number
}

const int8 = 20
const json = 114
const int4Array = 1007
const textArray = 1009
const int8Array = 1016

function parseInt8(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new RangeError(`${text} does not fit a number; select it as text`)
  return value
}

/** A Postgres array of strings or of numbers, without nulls. */
function serializeArray(values: readonly unknown[]): string {
  if (typeof values[0] === 'number') return `{${values.join(',')}}`
  return `{${values.map((value) => `"${String(value).replace(/["\\]/g, '\\$&')}"`).join(',')}}`
}

/** The array of numbers in `{1,2,3}`. */
function parseNumberArray(text: string): number[] {
  return text === '{}' ? [] : text.slice(1, -1).split(',').map(parseInt8)
}

/** The array in `{a,"b c",…}`; none of our text arrays holds nulls. */
function parseTextArray(text: string): string[] {
  const values: string[] = []
  for (const match of text.slice(1, -1).matchAll(/"((?:[^"\\]|\\.)*)"|([^,]+)/g)) {
    values.push(match[2] ?? (match[1] ?? '').replace(/\\(.)/g, '$1'))
  }
  return values
}

const types = {
  bigint: { to: int8, from: [int8], serialize: String, parse: parseInt8 },
  // Text that is JSON already: what goes into Postgres as json is built by hand, once.
  rawJson: { to: json, from: [json], serialize: String, parse: (text: string): unknown => parseJson(text) },
  int4Array: { to: int4Array, from: [int4Array], serialize: serializeArray, parse: parseNumberArray },
  int8Array: { to: int8Array, from: [int8Array], serialize: serializeArray, parse: parseNumberArray },
  textArray: { to: textArray, from: [textArray], serialize: serializeArray, parse: parseTextArray },
}

/** Seconds to wait before the next attempt to connect, after so many that failed. */
function backoff(failures: number): number {
  return Math.min(2, 0.02 * 2 ** failures)
}

/** Opens a client. Each of its connections is made with its first statement, and again by itself whenever it was lost. */
export function openSql(options: StorageOptions, purpose: ConnectionPurpose): Sql {
  const { answerLimitMs: ms } = purpose
  return replacedWhenLost({
    open: (onClose) => openOne(options, purpose, onClose),
    connections: purpose.max,
    onClose: purpose.onClose,
    cut: options.cut,
    count: (connections) => purpose.loads?.add(purpose.purpose, connections) ?? ((): void => {}),
    answerLimit:
      ms === undefined
        ? undefined
        : { ms, onSilent: (silence) => connectionSilent({ purpose: purpose.purpose, ...silence }) },
  })
}

function openOne(options: StorageOptions, purpose: ConnectionPurpose, onClose: () => void): Sql {
  const settings = {
    max: 1,
    prepare: true,
    fetch_types: false,
    idle_timeout: 0,
    max_lifetime: null,
    connect_timeout: 10,
    backoff,
    types,
    onnotice: () => {},
    onclose: onClose,
    connection: {
      application_name: `${options.applicationName} ${purpose.purpose}`,
      statement_timeout: options.statementTimeoutMs,
      lock_timeout: options.lockTimeoutMs,
      idle_in_transaction_session_timeout: options.idleInTransactionMs,
      default_transaction_isolation: 'read committed',
      ...(purpose.readOnly ? { default_transaction_read_only: true } : {}),
    },
  } satisfies postgres.Options<Record<string, postgres.PostgresType>>
  const client =
    typeof options.url === 'string'
      ? fromUrl(options.url, settings)
      : postgres({ ...options.url, ...settings })
  // The cast states what `types` above does: a bigint is given and read as a number.
  return client as unknown as Sql
}

/**
 * As libpq reads it, `?host=/directory` names the directory of a unix socket. The driver would send it to the server as a setting.
 */
function fromUrl(
  text: string,
  settings: postgres.Options<Record<string, postgres.PostgresType>>,
): postgres.Sql {
  const url = new URL(text)
  const host = url.searchParams.get('host')
  url.searchParams.delete('host')
  return postgres(url.href, host === null ? settings : { ...settings, host })
}

/** The address as a URL that `StorageOptions.url` and other Postgres clients take. */
export function socketUrl(address: SocketAddress): string {
  const { user, port, database, host } = address
  return `postgres://${user}@localhost:${port}/${database}?host=${encodeURIComponent(host)}`
}
