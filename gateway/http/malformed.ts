/**
 * Requests that never reach the pipeline, because node:http cannot read them or HTTP itself forbids them: answered like every other
 * failure, with an error code and the headers that let a browser see it, and the connection ends.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { MatrixError, type ErrorCode } from '#protocol/errors.ts'
import { corsHeaders } from './cors.ts'
import { errorAnswer } from './errors.ts'
import { sendAnswer } from './respond.ts'

interface Refusal {
  readonly status: number
  /** What HTTP calls the status. */
  readonly reason: string
  readonly errcode: ErrorCode
  readonly error: string
}

const unreadable: Refusal = {
  status: 400,
  reason: 'Bad Request',
  errcode: 'M_UNKNOWN',
  error: 'The request cannot be read as HTTP.',
}

/** By the code of node:http's failure; every other code means that the bytes are no request. */
const refusals: Readonly<Record<string, Refusal>> = {
  HPE_HEADER_OVERFLOW: {
    status: 431,
    reason: 'Request Header Fields Too Large',
    errcode: 'M_TOO_LARGE',
    error: 'The headers of the request are too large.',
  },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: {
    status: 413,
    reason: 'Payload Too Large',
    errcode: 'M_TOO_LARGE',
    error: 'The chunk extensions of the request are too large.',
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: 408,
    reason: 'Request Timeout',
    errcode: 'M_UNKNOWN',
    error: 'The request did not arrive in time.',
  },
}

/** Answers what node:http could not read, as its `clientError` reports it, and ends the connection. */
export function refuseUnreadable(failure: NodeJS.ErrnoException, socket: Socket): void {
  if (failure.code === 'ECONNRESET' || !socket.writable || isAnswering(socket)) {
    socket.destroy()
    return
  }
  const { errcode, error, reason, status } = refusals[failure.code ?? ''] ?? unreadable
  const body = JSON.stringify({ errcode, error })
  const head = [`HTTP/1.1 ${status} ${reason}`, 'connection: close', 'content-type: application/json']
  for (let at = 0; at < corsHeaders.length; at += 2) head.push(`${corsHeaders[at]}: ${corsHeaders[at + 1]}`)
  head.push(`content-length: ${Buffer.byteLength(body)}`)
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
}

/**
 * Whether the head of an answer to an earlier request has left and its end has not: what is written now would become a part of it. The
 * field is that by which node:http itself decides so where nobody listens for `clientError`.
 */
function isAnswering(socket: Socket): boolean {
  const answer: unknown = Reflect.get(socket, '_httpMessage')
  return typeof answer === 'object' && answer !== null && Reflect.get(answer, 'headersSent') === true
}

/** "A server MUST respond with a 400 status code to any HTTP/1.1 request message that lacks a Host header field" (RFC 9112, 3.2). */
export function lacksHost(request: IncomingMessage): boolean {
  return request.headers.host === undefined && request.httpVersionMinor === 1
}

/** Refuses a request for which {@link lacksHost} is true. */
export function refuseWithoutHost(response: ServerResponse): void {
  refuse(response, new MatrixError('M_UNKNOWN', 'The request has no Host header.', { status: 400 }))
}

/** Refuses a request that expects of HTTP what this server does not do. */
export function refuseExpectation(response: ServerResponse): void {
  refuse(
    response,
    new MatrixError('M_UNKNOWN', 'What the Expect header asks for is not done here.', { status: 417 }),
  )
}

function refuse(response: ServerResponse, error: MatrixError): void {
  response.shouldKeepAlive = false
  sendAnswer(response, errorAnswer(error))
}
