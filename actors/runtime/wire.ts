/** The envelope on the bus: building it, and reading what another process sent. */

import { MatrixError } from '#protocol/errors.ts'
import { isJsonObject, type JsonValue } from '#protocol/json/types.ts'
import type { BusMessage } from '../bus/bus.ts'
import type { ReplyWithBody } from './contract.ts'
import type { ActorReplyHead, ActorRequestHead } from './envelope.ts'

/** True for a reply whose text travels beside its head. */
export function hasBody(value: unknown): value is ReplyWithBody {
  return (
    typeof value === 'object' &&
    value !== null &&
    'head' in value &&
    'body' in value &&
    typeof value.body === 'string'
  )
}

/** The message that carries a reply. */
export function okMessage(value: unknown, epoch: number): BusMessage {
  // Replies are plain data by contract; what is absent in them is absent on the wire.
  if (!hasBody(value)) return { head: { kind: 'ok', body: value as JsonValue, epoch } }
  return { head: { kind: 'ok', body: value.head as JsonValue, epoch, hasBody: true }, body: value.body }
}

/** The message that carries a failure; what is not a `MatrixError` is our bug and is not shown. */
export function errorMessage(thrown: unknown, epoch: number): BusMessage {
  const error = thrown instanceof MatrixError ? thrown : new MatrixError('M_UNKNOWN', 'Internal server error')
  const wire = { errcode: error.errcode, error: error.message, status: error.status }
  const extra = error.extra as JsonValue | undefined
  return { head: { kind: 'error', epoch, error: extra === undefined ? wire : { ...wire, extra } } }
}

/** The message that asks the caller to ask again. */
export function retryMessage(why: string, epoch: number): BusMessage {
  return { head: { kind: 'retry', epoch, why } }
}

/** Reads a request; undefined for what is none. */
export function parseRequest(head: JsonValue): ActorRequestHead | undefined {
  if (!isJsonObject(head)) return undefined
  const { key, kind, body, epoch, timeoutMs, traceId } = head
  if (typeof key !== 'string' || typeof kind !== 'string' || typeof traceId !== 'string') return undefined
  if (typeof epoch !== 'number' || typeof timeoutMs !== 'number') return undefined
  return { key, kind, body, epoch, timeoutMs, traceId }
}

/** Reads a reply; undefined for what is none. */
export function parseReply(head: JsonValue): ActorReplyHead | undefined {
  if (!isJsonObject(head) || typeof head['epoch'] !== 'number') return undefined
  const { kind, epoch, body, why, error } = head
  if (kind === 'ok') return { kind, epoch, body, ...(head['hasBody'] === true && { hasBody: true }) }
  if (kind === 'retry') return { kind, epoch, why: typeof why === 'string' ? why : '' }
  if (kind !== 'error' || !isJsonObject(error)) return undefined
  const { errcode, error: text, status, extra } = error
  if (typeof errcode !== 'string' || typeof text !== 'string' || typeof status !== 'number') return undefined
  return { kind, epoch, error: { errcode, error: text, status, ...(isJsonObject(extra) && { extra }) } }
}

/** What the caller of `ask` gets for an `ok` reply. */
export function replyValue(reply: Extract<ActorReplyHead, { kind: 'ok' }>, message: BusMessage): unknown {
  if (reply.hasBody !== true) return reply.body
  const { body = '' } = message
  const text =
    typeof body === 'string' ? body : Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString()
  return { head: reply.body, body: text } satisfies ReplyWithBody
}
