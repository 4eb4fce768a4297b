/**
 * One keep-alive HTTP/1.1 connection that has one request under way at a time, made to cost as little as it can: the load must not take the
 * processor from the server that it measures. It understands what the servers of a benchmark answer (a length or chunks), no more.
 */

import { connect, type Socket } from 'node:net'

export interface Reply {
  readonly status: number
  readonly body: Buffer
}

/** Called once for each request, with the reply or with why there is none. */
export type OnReply = (reply: Reply | Error) => void

const none = Buffer.alloc(0)

export class HttpConnection {
  readonly #socket: Socket
  #chunks: Buffer[] = []
  #size = 0
  #needed = 0
  #onReply: OnReply | undefined
  #broken: Error | undefined

  constructor(port: number) {
    this.#socket = connect({ host: '127.0.0.1', port, noDelay: true })
    this.#socket.on('data', (chunk: Buffer) => this.#take(chunk))
    this.#socket.on('error', (error) => this.#fail(error))
    this.#socket.on('close', () => this.#fail(new Error('the server closed the connection')))
  }

  /** True while a reply is awaited. */
  get isBusy(): boolean {
    return this.#onReply !== undefined
  }

  /** True once the connection is of no more use. */
  get isBroken(): boolean {
    return this.#broken !== undefined
  }

  /** Sends a request, whole and in ASCII. */
  send(request: string, onReply: OnReply): void {
    if (this.#broken) {
      onReply(this.#broken)
      return
    }
    if (this.#onReply) throw new Error('a request is under way on this connection')
    this.#onReply = onReply
    this.#socket.write(request, 'latin1')
  }

  close(): void {
    this.#onReply = undefined
    this.#broken ??= new Error('the connection was closed here')
    this.#socket.destroy()
  }

  #take(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#size += chunk.length
    if (this.#size < this.#needed) return
    const bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks)
    const reply = parseReply(bytes)
    this.#chunks = []
    this.#size = 0
    this.#needed = 0
    if (typeof reply === 'number') {
      this.#chunks.push(bytes)
      this.#size = bytes.length
      this.#needed = reply
      return
    }
    const onReply = this.#onReply
    this.#onReply = undefined
    onReply?.(reply)
  }

  #fail(error: Error): void {
    this.#broken ??= error
    const onReply = this.#onReply
    this.#onReply = undefined
    onReply?.(error)
  }
}

/** The reply in these bytes, or, while some of it is missing, how many bytes there must be at least before it is worth looking again. */
export function parseReply(bytes: Buffer): Reply | number {
  const headEnd = bytes.indexOf('\r\n\r\n')
  if (headEnd < 0) return bytes.length + 1
  const head = bytes.toString('latin1', 0, headEnd)
  const status = Number(head.slice(9, 12))
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
  const start = headEnd + 4
  if (length !== undefined) {
    const end = start + Number(length)
    return bytes.length < end ? end : { status, body: bytes.subarray(start, end) }
  }
  if (!/\r\ntransfer-encoding: *chunked/i.test(head)) return { status, body: none }
  const body = parseChunks(bytes, start)
  return typeof body === 'number' ? body : { status, body }
}

function parseChunks(bytes: Buffer, start: number): Buffer | number {
  const chunks: Buffer[] = []
  for (let at = start; ;) {
    const lineEnd = bytes.indexOf('\r\n', at)
    if (lineEnd < 0) return bytes.length + 1
    const size = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16)
    const end = lineEnd + 2 + size
    if (bytes.length < end + 2) return end + 2
    if (size === 0) return Buffer.concat(chunks)
    chunks.push(bytes.subarray(lineEnd + 2, end))
    at = end + 2
  }
}

/** The text of a request. The body is ASCII. */
export function requestText(method: string, path: string, token: string, body = ''): string {
  const head = `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${token}\r\n`
  if (body === '') return `${head}\r\n`
  return `${head}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
}

/** One request as a promise; rejects if the connection breaks. */
export function ask(connection: HttpConnection, request: string): Promise<Reply> {
  return new Promise((resolve, reject) => {
    connection.send(request, (reply) => (reply instanceof Error ? reject(reply) : resolve(reply)))
  })
}
