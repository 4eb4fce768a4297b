/**
 * Reads request bodies: never more than the endpoint allows, never for longer than the client may take, and as JSON only by the
 * strict parser. What is wrong with a body is said with the name of the field.
 */

import type { IncomingMessage } from 'node:http'
import { z } from 'zod'
import { isErrorCode, MatrixError } from '#protocol/errors.ts'
import { parseStrictJson } from '#protocol/json/strict-parse.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '#protocol/json/types.ts'
import type { Clock } from '#actors/runtime/clock.ts'
import type { BodyDemand } from './endpoint.ts'

/** Bytes of a JSON body, unless its endpoint says otherwise. */
export const defaultMaxBytes = 1024 * 1024

/** Milliseconds in which a JSON body must have arrived. */
export const bodyTimeoutMs = 30_000

/**
 * Any JSON object, without a look at its fields: for bodies that are events' content or that the handler reads field by field.
 */
export const anyJsonObject = z.custom<JsonObject>(isJsonObject, 'must be a JSON object')

type JsonDemand = Extract<BodyDemand<unknown>, { readonly kind: 'json' }>

/**
 * The body that a JSON endpoint asks for. Throws M_TOO_LARGE (413), M_UNRECOGNIZED (415) for an encoded body, M_UNKNOWN (408) when
 * it takes too long, JsonError for what is not JSON, M_MISSING_PARAM, M_BAD_JSON or the code that the schema names.
 */
export async function readJsonBody(
  request: IncomingMessage,
  demand: JsonDemand,
  clock: Clock,
): Promise<unknown> {
  checkEncoding(request)
  const bytes = await readBytes(request, demand.maxBytes ?? defaultMaxBytes, clock)
  if (bytes.length === 0 && demand.optional === true) return checkBody({}, demand)
  const integers = demand.grammar === 'event' ? 'strict' : 'any'
  return checkBody(parseStrictJson(bytes, { integers }), demand)
}

/** Throws M_UNRECOGNIZED (415) when the body is compressed: no endpoint of the specification takes that. */
export function checkEncoding(request: IncomingMessage): void {
  const encoding = request.headers['content-encoding']
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    throw new MatrixError('M_UNRECOGNIZED', 'Send the body without Content-Encoding.', { status: 415 })
  }
}

/** Throws M_TOO_LARGE when the request announces more than `maxBytes`. */
export function checkLength(request: IncomingMessage, maxBytes: number): void {
  const announced = request.headers['content-length']
  if (announced !== undefined && Number(announced) > maxBytes) throw tooLarge(maxBytes)
}

function tooLarge(maxBytes: number): MatrixError {
  return new MatrixError('M_TOO_LARGE', `The body may have at most ${maxBytes} bytes.`)
}

/** The whole body. Throws M_TOO_LARGE as soon as it exceeds `maxBytes`, and M_UNKNOWN (408) when it does not arrive in time. */
export function readBytes(request: IncomingMessage, maxBytes: number, clock: Clock): Promise<Buffer> {
  checkLength(request, maxBytes)
  if (request.destroyed && !request.complete) return Promise.reject(new ClientGone())
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const timer = clock.after(bodyTimeoutMs, () => {
      finish(() => reject(new MatrixError('M_UNKNOWN', 'The body took too long to arrive.', { status: 408 })))
    })
    function finish(settle: () => void): void {
      timer.cancel()
      request.off('data', onData).off('end', onEnd).off('error', onGone).off('close', onGone)
      settle()
    }
    function onData(chunk: Buffer): void {
      size += chunk.length
      if (size > maxBytes) finish(() => reject(tooLarge(maxBytes)))
      else chunks.push(chunk)
    }
    function onEnd(): void {
      finish(() =>
        resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks, size)),
      )
    }
    function onGone(): void {
      finish(() => reject(new ClientGone()))
    }
    request.on('data', onData).on('end', onEnd).on('error', onGone).on('close', onGone)
  })
}

/** The client went away before its request was read; there is nobody to answer. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone'

  constructor() {
    super('The client closed the connection before its request was complete.')
  }
}

function checkBody(value: JsonValue, demand: JsonDemand): unknown {
  const result = demand.schema.safeParse(value)
  if (!result.success) throw bodyError(value, result.error.issues)
  // An event's content is passed on as it was parsed: a schema's output lacks keys, and other keys would be hashed.
  return demand.grammar === 'event' ? value : result.data
}

/**
 * The error for the first thing that a schema found. A custom issue names its code in `params.errcode`; else a field that is not there
 * is M_MISSING_PARAM and everything else M_BAD_JSON.
 */
function bodyError(value: JsonValue, issues: readonly z.core.$ZodIssue[]): MatrixError {
  const issue = issues[0]
  if (issue === undefined)
    return new MatrixError('M_BAD_JSON', 'The body is not of the form that is expected here.')
  const place = issue.path.map(String).join('.')
  const errcode = issue.code === 'custom' ? issue.params?.['errcode'] : undefined
  if (typeof errcode === 'string' && isErrorCode(errcode))
    return new MatrixError(errcode, sentence(place, issue.message))
  if (issue.path.length > 0 && isAbsent(value, issue.path)) {
    return new MatrixError('M_MISSING_PARAM', `The field "${place}" is missing.`)
  }
  return new MatrixError('M_BAD_JSON', sentence(place, issue.message))
}

function sentence(place: string, message: string): string {
  const subject = place === '' ? 'The body' : `The field "${place}"`
  return message.startsWith('must ') ? `${subject} ${message}.` : `${subject} is not valid: ${message}.`
}

function isAbsent(root: JsonValue, path: readonly PropertyKey[]): boolean {
  let value: unknown = root
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return true
    value = (value as Record<PropertyKey, unknown>)[key]
  }
  return false
}

/** How much of a refused body is read and thrown away so that the client gets to see the answer. */
const discardedBytes = 1024 * 1024

/** Milliseconds that a client which goes on sending after that has to read the answer: the end of the connection may take it from it. */
const lingeringMs = 2_000

/**
 * Lets a client that is still sending read its answer: what comes is thrown away; when that becomes too much nothing more is read, the
 * connection is closed on this side, so that nobody asks anything else over it, and a moment later it is cut. Called after the answer has
 * been written.
 */
export function discardRest(request: IncomingMessage, clock: Clock): void {
  if (request.complete || request.destroyed) return
  let size = 0
  request.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size <= discardedBytes || request.isPaused()) return
    request.pause()
    request.socket.end()
    const timer = clock.after(lingeringMs, () => request.destroy())
    request.once('close', () => timer.cancel())
  })
  request.on('error', () => {})
  request.resume()
}
