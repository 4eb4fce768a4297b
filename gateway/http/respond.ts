/**
 * Writes answers. Each is one `writeHead` with its length and one `end`, so that small answers leave in one packet.
 */

import type { ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { corsHeaders, preflightHeaders } from './cors.ts'
import { Answer, type HandlerResult } from './endpoint.ts'

const jsonHead: readonly string[] = [...corsHeaders, 'content-type', 'application/json', 'content-length']

/** Sends text that is JSON already. */
export function sendJsonText(response: ServerResponse, status: number, text: string): void {
  const head = jsonHead.slice()
  head.push(String(Buffer.byteLength(text)))
  response.writeHead(status, head)
  response.end(text)
}

/** Answers OPTIONS with what browsers want to know, and does nothing else. */
export function sendPreflight(response: ServerResponse): void {
  response.writeHead(200, preflightHeaders.slice())
  response.end()
}

/** Sends what a handler returned. Rejects when a stream fails half-way; the connection is then cut, never ended as if whole. */
export async function sendResult(response: ServerResponse, result: HandlerResult): Promise<void> {
  if (!(result instanceof Answer)) {
    sendJsonText(response, 200, JSON.stringify(result))
    return
  }
  const { body } = result
  if (typeof body === 'string' || body instanceof Uint8Array) {
    response.writeHead(result.status, headOf(result, Buffer.byteLength(body)))
    response.end(body)
    return
  }
  response.writeHead(result.status, headOf(result, undefined))
  await pipeline(body, response)
}

/** Sends text or bytes with headers of their own, at once. */
export function sendAnswer(response: ServerResponse, answer: Answer & { readonly body: string }): void {
  response.writeHead(answer.status, headOf(answer, Buffer.byteLength(answer.body)))
  response.end(answer.body)
}

function headOf(answer: Answer, length: number | undefined): string[] {
  const head = corsHeaders.slice()
  for (const [name, value] of Object.entries(answer.headers)) head.push(name, value)
  if (length !== undefined) head.push('content-length', String(length))
  return head
}
