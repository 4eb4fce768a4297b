/**
 * The listeners: sockets, their limits, and an orderly end.
 */

import type { Server } from 'node:http'
import { type Clock, delay } from '#actors/runtime/clock.ts'
import type { ListenAddress } from '../config/values.ts'
import { lacksHost, refuseExpectation, refuseUnreadable, refuseWithoutHost } from './malformed.ts'
import type { RequestListener } from './pipeline.ts'

// An import of values from node:http would load all that it exports, the WebSocket client of undici among it: 15 MB and 35 ms.
const { createServer } = process.getBuiltinModule('node:http')
const { Server: TcpServer } = process.getBuiltinModule('node:net')

/** What a listener tolerates. All have a default. */
export interface ServerLimits {
  /** Milliseconds for the headers of a request. */
  readonly headersMs: number
  /** Milliseconds for a whole request, uploads included; JSON bodies have their own, shorter limit. */
  readonly requestMs: number
  /** Milliseconds for which an idle connection is kept. Longer than a proxy keeps its own, so that it never meets a closed one. */
  readonly keepAliveMs: number
  readonly maxHeaderBytes: number
  readonly maxConnections: number
}

const defaultServerLimits: ServerLimits = {
  headersMs: 10_000,
  requestMs: 600_000,
  keepAliveMs: 75_000,
  maxHeaderBytes: 16 * 1024,
  maxConnections: 20_000,
}

export interface ListenOptions {
  readonly addresses: readonly ListenAddress[]
  /** The setting that the addresses come from; named when one cannot be used. */
  readonly key: string
  readonly handle: RequestListener
  readonly clock: Clock
  readonly limits?: Partial<ServerLimits>
}

/** An address cannot be listened on; the message names setting, value and remedy. */
export class ListenError extends Error {
  override readonly name = 'ListenError'
}

/** Milliseconds between two looks for connections that have become idle while the server ends. */
const closingIntervalMs = 20
/** For so long an idle connection is kept while the server ends: whoever is about to use it is answered, and told that it ends. */
const lastWordMs = 300

export class HttpServer {
  readonly #servers: readonly Server[]
  readonly #clock: Clock
  #closing: Promise<void> | undefined = undefined

  private constructor(servers: readonly Server[], clock: Clock) {
    this.#servers = servers
    this.#clock = clock
  }

  /** Listens on all addresses. Throws ListenError if one of them cannot be used; then none is. */
  static async listen(options: ListenOptions): Promise<HttpServer> {
    const server = new HttpServer(
      options.addresses.map(() => makeServer(options)),
      options.clock,
    )
    const results = await Promise.allSettled(
      options.addresses.map((address, index) => bind(server.#servers[index], address, options.key)),
    )
    const failed = results.find((result) => result.status === 'rejected')
    if (failed === undefined) return server
    await server.close(0)
    throw failed.reason
  }

  /** Where it listens, as URLs with the real ports. */
  get urls(): readonly string[] {
    return this.#servers.map((server) => {
      const address = server.address()
      if (address === null || typeof address === 'string') return ''
      const host = address.family === 'IPv6' ? `[${address.address}]` : address.address
      return `http://${host}:${address.port}`
    })
  }

  /**
   * Takes no more connections, ends idle ones after a moment, lets running requests finish for `graceMs`, and then cuts what is left.
   * Further calls wait for the first.
   */
  close(graceMs: number): Promise<void> {
    this.#closing ??= this.#close(graceMs)
    return this.#closing
  }

  async #close(graceMs: number): Promise<void> {
    const startMs = this.#clock.monotonic()
    const deadlineMs = startMs + graceMs
    let open = this.#servers.length
    const closed = Promise.all(
      this.#servers.map(async (server) => {
        await stopListening(server)
        open--
      }),
    )
    while (open > 0 && this.#clock.monotonic() < deadlineMs) {
      const isOver = this.#clock.monotonic() - startMs >= lastWordMs
      if (isOver) {
        await socketsRead()
        for (const server of this.#servers) server.closeIdleConnections()
      }
      await Promise.race([closed, delay(this.#clock, closingIntervalMs)])
    }
    for (const server of this.#servers) server.closeAllConnections()
    await closed
    // Its timers end.
    for (const server of this.#servers) server.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close(0)
  }
}

/** Resolves when what has arrived has been read: a connection with an unread request counts as idle, and timers run before that. */
function socketsRead(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Resolves when the last connection is over. `close` of an HTTP server would cut idle connections at once. */
function stopListening(server: Server): Promise<void> {
  return new Promise((resolve) => TcpServer.prototype.close.call(server, () => resolve()))
}

function makeServer(options: ListenOptions): Server {
  const limits = { ...defaultServerLimits, ...options.limits }
  const server = createServer(
    {
      headersTimeout: limits.headersMs,
      requestTimeout: limits.requestMs,
      keepAliveTimeout: limits.keepAliveMs,
      maxHeaderSize: limits.maxHeaderBytes,
      connectionsCheckingInterval: Math.max(10, Math.min(1000, limits.headersMs / 4)),
      noDelay: true,
      // Node would answer in plain text, which a browser may not read.
      requireHostHeader: false,
    },
    (request, response) => {
      if (lacksHost(request)) refuseWithoutHost(response)
      else options.handle(request, response)
    },
  )
  server.maxConnections = limits.maxConnections
  server.on('clientError', refuseUnreadable)
  server.on('checkExpectation', (_request, response) => refuseExpectation(response))
  return server
}

function bind(server: Server | undefined, address: ListenAddress, key: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server?.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, address, key)))
    server?.listen(address.port, address.host, () => resolve())
  })
}

function listenError(error: NodeJS.ErrnoException, address: ListenAddress, key: string): ListenError {
  const value = address.host.includes(':')
    ? `[${address.host}]:${address.port}`
    : `${address.host}:${address.port}`
  const remedies: Record<string, string> = {
    EADDRINUSE: 'another process listens there; stop it or choose another port',
    EACCES: 'this user may not listen there; choose a port above 1023',
    EADDRNOTAVAIL: 'this machine does not have that address; choose one that it has, or 0.0.0.0',
    ENOTFOUND: 'there is no such host; choose an address of this machine',
  }
  const remedy = remedies[error.code ?? ''] ?? error.message
  return new ListenError(`${key}=${value}: ${remedy}`, { cause: error })
}
