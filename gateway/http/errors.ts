/**
 * The one funnel through which every failure of a request becomes an answer. What a client may know is a MatrixError; everything
 * else is told as M_UNKNOWN without its words and reported under the request's trace id.
 */

import { MatrixError } from '#protocol/errors.ts'
import { JsonError } from '#protocol/json/types.ts'
import { RowsGone } from '#storage/reads.ts'
import { BusError } from '#actors/bus/bus.ts'
import { ClientGone } from './body.ts'
import { Answer } from './endpoint.ts'

/** What becomes of a failure. */
export type Failure =
  /** Tell the client. `fault`: it is ours, and belongs in the log. */
  | { readonly kind: 'answer'; readonly error: MatrixError; readonly fault?: unknown }
  /** There is nobody to tell. */
  | { readonly kind: 'gone' }

/** Milliseconds after which a client may repeat what failed for the weather. */
const retryAfterMs = 1000

/** Decides what a thrown value means to the client. */
export function classifyFailure(thrown: unknown): Failure {
  const cause = originOf(thrown)
  if (cause instanceof MatrixError) return { kind: 'answer', error: cause }
  if (cause instanceof JsonError) return { kind: 'answer', error: jsonFailure(cause) }
  if (cause instanceof ClientGone) return { kind: 'gone' }
  if (isWeather(cause)) return { kind: 'answer', error: unavailable(cause), fault: cause }
  return {
    kind: 'answer',
    error: new MatrixError('M_UNKNOWN', 'Internal server error', { cause }),
    fault: cause,
  }
}

/** An error as an answer, with Retry-After where it says when to come back. */
export function errorAnswer(error: MatrixError): Answer & { readonly body: string } {
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  const delayMs = error.extra?.['retry_after_ms']
  if (typeof delayMs === 'number') headers['retry-after'] = String(Math.max(1, Math.ceil(delayMs / 1000)))
  // The cast is sound: the body is the text that is passed.
  return new Answer(error.status, headers, JSON.stringify(error.toWire())) as Answer & {
    readonly body: string
  }
}

/** What failed first: a disposal that fails, too, wraps it. */
function originOf(thrown: unknown): unknown {
  let cause = thrown
  while (cause instanceof SuppressedError) cause = cause.suppressed
  return cause
}

function jsonFailure(error: JsonError): MatrixError {
  const code = error.kind === 'not-json' || error.kind === 'invalid-utf8' ? 'M_NOT_JSON' : 'M_BAD_JSON'
  return new MatrixError(code, error.message, { cause: error })
}

function unavailable(cause: unknown): MatrixError {
  return new MatrixError('M_UNKNOWN', 'The server cannot do this at the moment; try again.', {
    status: 503,
    extra: { retry_after_ms: retryAfterMs },
    cause,
  })
}

/**
 * SQLSTATE classes of a database that is starting, stopping, full or out of reach, and statements that ran out of time; 40 and 25006 are those
 * of a standby that is not promoted yet.
 */
const weatherStates = /^(?:08|40|53|55|57|58|25006)/

const weatherCodes: ReadonlySet<string> = new Set([
  'CONNECTION_CLOSED',
  'CONNECTION_DESTROYED',
  'CONNECTION_ENDED',
  'CONNECT_TIMEOUT',
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
])

/** Failures that pass: the bus, the database, time, or work that was given up because the server ends. */
function isWeather(cause: unknown): boolean {
  if (cause instanceof BusError || cause instanceof RowsGone) return true
  if (!Error.isError(cause)) return false
  if (cause.name === 'TimeoutError' || cause.name === 'AbortError') return true
  const code: unknown = 'code' in cause ? cause.code : undefined
  if (typeof code !== 'string') return false
  if (cause.name === 'PostgresError') return weatherStates.test(code)
  // A unix socket that is not there yet is weather, a file that is missing is not.
  if (code === 'ENOENT') return 'syscall' in cause && cause.syscall === 'connect'
  return weatherCodes.has(code)
}
