/**
 * A bad line between two programs: it passes everything until it is told to delay, hold back, throttle, lose or cut, in one direction or in
 * both. It knows nothing of what it carries, so it stands before Postgres, NATS and HTTP alike.
 *
 *   client ── request ──►  ┌──────┐ ── request ──► server
 *          ◄── answer ───  │ line │ ◄── answer ───
 *                          └──────┘
 */

import { once } from 'node:events'
import {
  connect,
  createServer,
  type AddressInfo,
  type NetConnectOpts,
  type Server,
  type Socket,
} from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Pipe, type Weather } from './tcp-pipe.ts'

/** Where a line leads to or begins: a port of this machine, or a unix socket. */
export type LineEnd = { readonly port: number } | { readonly path: string }

export type Way = 'request' | 'answer'

interface Connection {
  readonly client: Socket
  readonly server: Socket
  readonly pipes: Readonly<Record<Way, Pipe>>
}

type OneFault = 'none' | 'lose answer' | 'cut request'

interface EndKept {
  readonly text: string
  readonly bytes: number
  readonly seen: PromiseWithResolvers<void>
}

const bothWays = ['request', 'answer'] as const

/** Begins to listen, at a free port unless told where. Everything is closed when it is disposed. */
export async function startLine(target: LineEnd, listen: LineEnd = { port: 0 }): Promise<Line> {
  const server = createServer({ allowHalfOpen: true })
  server.listen('path' in listen ? listen : { ...listen, host: '127.0.0.1' })
  await once(server, 'listening')
  return new Line(server, target)
}

export class Line implements AsyncDisposable {
  readonly #server: Server
  readonly #open = new Set<Connection>()
  readonly #weather: Record<Way, Weather> = { request: {}, answer: {} }
  #target: LineEnd
  #fault: OneFault = 'none'
  #endKept: EndKept | undefined
  #refuses = false

  constructor(server: Server, target: LineEnd) {
    this.#server = server
    this.#target = target
    server.on('connection', (client) => this.#accept(client))
  }

  /** Where the line begins, if that is a port. */
  get port(): number {
    const address = this.#server.address()
    return typeof address === 'string' ? 0 : ((address satisfies AddressInfo | null)?.port ?? 0)
  }

  /** Connections that are open now. */
  get connections(): number {
    return this.#open.size
  }

  /** New connections lead elsewhere from now on. */
  redirect(target: LineEnd): void {
    this.#target = target
  }

  /** Everything arrives so much later, and at most so fast. */
  slow(
    weather: { readonly delayMs?: number; readonly bytesPerSecond?: number },
    ways: readonly Way[] = bothWays,
  ): void {
    this.#change(weather, ways)
  }

  /**
   * Nothing arrives until `heal`, and nothing is lost: what TCP makes of a network that drops every packet for a while. With one way it
   * is a line that is open in the other direction.
   */
  hold(ways: readonly Way[] = bothWays): void {
    this.#change({ holds: true }, ways)
  }

  /** The line is good again; what was held back arrives now. */
  heal(): void {
    this.#refuses = false
    this.#fault = 'none'
    this.#endKept = undefined
    for (const way of bothWays) this.#change({}, [way])
  }

  /** The open connections are dead: what comes is thrown away, and who waits is never told. New ones are good. */
  silence(): void {
    for (const { pipes } of this.#open) for (const way of bothWays) pipes[way].kill()
  }

  /** New connections are reset. */
  refuse(): void {
    this.#refuses = true
  }

  /** All open connections end at once, on both sides. */
  reset(): void {
    for (const { client, server } of this.#open) {
      cut(client)
      cut(server)
    }
  }

  /** The next request reaches the server and is answered, but the client sees its connection end instead. */
  loseNextAnswer(): void {
    this.#fault = 'lose answer'
  }

  /** Half of the next request reaches the server, then both connections end. */
  cutNextRequest(): void {
    this.#fault = 'cut request'
  }

  /**
   * The next request in which the text stands reaches the server without its last bytes; they wait, and whatever follows on that connection,
   * until `heal`. Resolves when there was such a request.
   */
  keepEndOfRequest(text: string, bytes: number): Promise<void> {
    const seen = Promise.withResolvers<void>()
    this.#endKept = { text, bytes, seen }
    return seen.promise
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { client, server } of this.#open) {
      client.destroy()
      server.destroy()
    }
    this.#server.close()
    await sleep(0)
  }

  #change(weather: Weather, ways: readonly Way[]): void {
    for (const way of ways) {
      this.#weather[way] = weather
      for (const { pipes } of this.#open) pipes[way].change(weather)
    }
  }

  #accept(client: Socket): void {
    client.on('error', () => {})
    if (this.#refuses) return cut(client)
    const server = connect({ ...this.#target, allowHalfOpen: true } as NetConnectOpts)
    server.on('error', () => client.destroy())
    const pipes = { request: new Pipe(client, server), answer: new Pipe(server, client) }
    const connection = { client, server, pipes }
    for (const way of bothWays) pipes[way].change(this.#weather[way])
    this.#open.add(connection)
    client.on('data', (chunk: Buffer) => this.#request(connection, chunk))
    server.on('data', (chunk: Buffer) => this.#answer(connection, chunk))
    const closed = (): void => {
      if (client.destroyed && server.destroyed) this.#open.delete(connection)
    }
    client.on('close', closed)
    server.on('close', closed)
  }

  #request({ client, server, pipes }: Connection, chunk: Buffer): void {
    const kept = this.#endKept
    if (kept !== undefined && chunk.includes(kept.text)) {
      this.#endKept = undefined
      pipes.request.push(chunk.subarray(0, -kept.bytes))
      pipes.request.change({ holds: true })
      pipes.request.push(chunk.subarray(-kept.bytes))
      return kept.seen.resolve()
    }
    if (this.#fault !== 'cut request' || pipes.request.isDead) return pipes.request.push(chunk)
    this.#fault = 'none'
    server.write(chunk.subarray(0, chunk.length >> 1), () => server.destroy())
    client.destroy()
  }

  #answer({ client, server, pipes }: Connection, chunk: Buffer): void {
    if (this.#fault !== 'lose answer' || pipes.answer.isDead) return pipes.answer.push(chunk)
    this.#fault = 'none'
    client.destroy()
    server.end()
  }
}

function cut(socket: Socket): void {
  // A unix socket knows no reset.
  if (socket.remoteAddress === undefined) socket.destroy()
  else socket.resetAndDestroy()
}
