/**
 * The log: JSON lines of pino on standard error, in words where that is a terminal. A line never carries a token, a password or
 * what somebody wrote; what is known to hold such a thing is left out where it is written, and the redaction below is the second
 * lock.
 */

import pino, { type DestinationStream, type Logger } from 'pino'
import type { PoolExhaustedFact } from '#storage/events.ts'
import type { BusFact } from '#actors/bus/events.ts'
import type { ActivationEvent, BackgroundEvent, ShardEvent } from '#actors/runtime/events.ts'
import type { Config } from '../config/schema.ts'
import type { Fault, RequestDone } from '../events.ts'
import { describeError } from './describe-error.ts'
import { readableLog } from './readable-log.ts'
import { listenTo } from './subscriptions.ts'

const secretFields = [
  'password',
  'new_password',
  'access_token',
  'refresh_token',
  'login_token',
  'token',
  'authorization',
  'cookie',
  'secret',
  'mac',
  'content',
  'body',
  'databaseUrl',
  'natsUrls',
]

/** Characters that wait for space on a full disk; further lines are lost. */
const waitingMax = 1024 * 1024

/** A logger at the configured level. Lines carry the process's name in the cluster. */
export function createLogger(
  config: Pick<Config, 'logLevel' | 'hostName'>,
  destination?: DestinationStream,
): Logger {
  return pino(
    {
      level: config.logLevel,
      base: { host: config.hostName },
      redact: { paths: secretFields.flatMap((field) => [field, `*.${field}`]), remove: true },
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: describeError },
    },
    destination ?? standardError(),
  )
}

function standardError(): DestinationStream {
  if (process.stderr.isTTY) return readableLog(process.stderr)
  const destination = pino.destination({ fd: 2, sync: true, maxLength: waitingMax })
  // A disk that is full is no reason to end: what could not be written is tried again with the next line.
  destination.on('error', () => {})
  return destination
}

/** Writes what the program tells about itself, until disposed. */
export function logFacts(log: Logger): Disposable {
  return listenTo({
    'troupe:request': (fact) => logRequest(log, fact),
    'troupe:fault': (fact) => logFault(log, fact),
    'troupe:shard': (fact) => logShard(log, fact),
    'troupe:bus': (fact) => logBus(log, fact),
    'troupe:background': (fact) => logBackground(log, fact),
    'troupe:activation': (fact) => logActivation(log, fact),
    'troupe:commit': ({ rows, shards, ms, result, error }) => {
      if (result === 'content' || result === 'weather')
        log.warn({ rows, shards, ms, err: error }, `commit: ${result}`)
    },
    'troupe.storage.migration-applied': ({ id, name, durationMs }) =>
      log.info({ id, ms: durationMs }, `migration ${name}`),
    'troupe.storage.slow-query': ({ statement, durationMs }) =>
      log.warn({ statement, ms: durationMs }, 'slow query'),
    'troupe.storage.pool-exhausted': (fact) => logPool(log, fact),
    'troupe.storage.incarnation': ({ newestEventMs }) =>
      log.warn(
        newestEventMs === undefined ? {} : { newestEvent: new Date(newestEventMs).toISOString() },
        'the database is another one or has gone back: what was committed after its newest event is lost, and clients get the present state anew',
      ),
    'troupe.storage.embedded-down': ({ error }) =>
      log.error(
        { err: error },
        'the embedded database has ended and does not start; it is tried again every second',
      ),
    'troupe.storage.connection-silent': ({ purpose, silentMs, statements }) =>
      log.warn({ purpose, ms: Math.round(silentMs), statements }, 'a database connection does not answer'),
  })
}

/** Answered requests are of interest to whoever looks for something: `debug`. Those that we failed are a warning. */
function logRequest(log: Logger, fact: RequestDone): void {
  const level = fact.status >= 500 ? 'warn' : 'debug'
  if (!log.isLevelEnabled(level)) return
  const { method, route, status, durationMs, traceId, userId } = fact
  log[level](
    { method, route, status, ms: Math.round(durationMs * 10) / 10, trace: traceId, user: userId },
    'request',
  )
}

function logFault(log: Logger, { where, traceId, error }: Fault): void {
  log.error({ where, trace: traceId, err: error }, 'fault')
}

const badNews: ReadonlySet<ShardEvent['what']> = new Set([
  'error',
  'behind',
  'renew-late',
  'commits-stall',
  'no-connections',
  'host-lapsed',
  'host-cut-off',
])

function logShard(log: Logger, { shard, epoch, what, error }: ShardEvent): void {
  // What concerns a whole host bears no shard.
  const place = shard < 0 ? {} : { shard, epoch }
  const fields = error === undefined ? place : { ...place, err: error }
  const isBad = badNews.has(what)
  if (isBad) log.warn(fields, `shard: ${what}`)
  else if (what.startsWith('host-')) log.info(fields, `host: ${what.slice('host-'.length)}`)
  else log.debug(fields, `shard: ${what}`)
}

function logBus(log: Logger, fact: BusFact): void {
  switch (fact.kind) {
    case 'request':
      return
    case 'dropped':
      log.debug({ target: fact.target, reason: fact.reason }, 'bus: message dropped')
      return
    case 'threw':
      log.error({ target: fact.target, err: fact.error }, 'bus: a handler failed')
      return
    case 'health':
      if (fact.healthy) log.info({ reason: fact.reason }, 'bus: connected')
      else log.warn({ reason: fact.reason }, 'bus: not connected')
      return
    case 'connect-failed':
      log.warn({ attempt: fact.attempt, reason: fact.reason }, 'bus: cannot connect yet')
      return
    case 'server-error':
      log.error({ err: fact.error }, 'bus: the server complained')
  }
}

function logActivation(log: Logger, { kind, key, what, request, error }: ActivationEvent): void {
  if (error !== undefined) log.error({ actor: kind, key, err: error }, `actor ${what}`)
  else if (what === 'stuck') log.warn({ actor: kind, key, request }, 'the turn of an actor does not end')
  else log.trace({ actor: kind, key }, `actor ${what}`)
}

function logPool(log: Logger, fact: PoolExhaustedFact): void {
  if (fact.what === 'began') {
    log.warn({ connections: fact.connections }, 'all database connections are busy')
  } else {
    const fields = { ms: Math.round(fact.durationMs), waited: fact.waited }
    log.warn(fields, 'the database connections are enough again')
  }
}

function logBackground(log: Logger, { kind, name, what, error }: BackgroundEvent): void {
  if (what === 'failed') log.error({ actor: kind, name, err: error }, 'background work failed')
}
