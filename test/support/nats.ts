/** A real nats-server for tests, on loopback and a free port, which can be stopped, paused and started again. */

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { promisify } from 'node:util'
import { natsServerBinary } from './nats-binary.ts'

export interface NatsServerOptions {
  /** A configuration file; address and port are set on the command line all the same. */
  readonly config?: string
  /** Further environment, e.g. for variables of the configuration file. */
  readonly env?: Readonly<Record<string, string>>
  /** Credentials to put into `url`: `user:password`. */
  readonly credentials?: string
  /** The configuration file demands TLS. */
  readonly tls?: boolean
}

const run = promisify(execFile)
const startMs = 10_000
const stopMs = 5_000
const retireMs = 20_000

/** Starts a server; it is ended with the test that uses it, and with the process at the latest. */
export async function natsServer(options: NatsServerOptions = {}): Promise<NatsServer> {
  const server = new NatsServer(await natsServerBinary(), options)
  await server.start()
  return server
}

export class NatsServer {
  readonly #binary: string
  readonly #options: NatsServerOptions
  readonly #killOnExit = (): void => {
    this.#child?.kill('SIGKILL')
  }
  #child: ChildProcess | undefined
  #port = -1

  constructor(binary: string, options: NatsServerOptions) {
    this.#binary = binary
    this.#options = options
  }

  /** The same for all its lives. */
  get url(): string {
    const { credentials, tls } = this.#options
    const user = credentials === undefined ? '' : `${credentials}@`
    return `${tls === true ? 'tls' : 'nats'}://${user}127.0.0.1:${this.#port}`
  }

  get port(): number {
    return this.#port
  }

  /** Of the running server; undefined while it is stopped. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** Starts it, after `stop` on the port it had. Rejects with its output when it is not ready in ten seconds. */
  async start(): Promise<void> {
    if (this.#child !== undefined) throw new Error('nats-server runs already')
    const { config, env } = this.#options
    const args = [
      '--addr',
      '127.0.0.1',
      '--port',
      String(this.#port),
      ...(config ? ['--config', config] : []),
    ]
    const child = spawn(this.#binary, args, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, ...env },
    })
    this.#child = child
    process.once('exit', this.#killOnExit)
    try {
      this.#port = await listeningPort(child)
    } catch (error) {
      await this.#end('SIGKILL')
      throw error
    }
  }

  /** Ends it in good order; by force if that takes more than five seconds. */
  stop(): Promise<void> {
    return this.#end('SIGTERM')
  }

  /** Ends it at once, as a crash does. */
  kill(): Promise<void> {
    return this.#end('SIGKILL')
  }

  /**
   * Takes it out of service as an operator does, by `nats-server --signal ldm`: it takes no new clients, sends those that it has away, a few
   * at a time, and ends. Resolves when it has ended; rejects after twenty seconds.
   */
  async retire(): Promise<void> {
    const child = this.#child
    if (child?.pid === undefined) throw new Error('nats-server does not run')
    const exited = once(child, 'exit', { signal: AbortSignal.timeout(retireMs) })
    const [[code]] = await Promise.all([
      exited,
      run(this.#binary, ['--signal', `ldm=${child.pid}`], { timeout: retireMs }),
    ])
    if (code !== 0) throw new Error(`nats-server ended with ${code}`)
    await this.#end('SIGKILL')
  }

  /** Makes it stand still: connections stay open and nothing moves. */
  pause(): void {
    this.#child?.kill('SIGSTOP')
  }

  resume(): void {
    this.#child?.kill('SIGCONT')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#child
    this.#child = undefined
    process.off('exit', this.#killOnExit)
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    if (child.pid === undefined) return
    const exited = once(child, 'exit')
    child.kill('SIGCONT')
    child.kill(signal)
    const force = setTimeout(() => child.kill('SIGKILL'), stopMs)
    await exited
    clearTimeout(force)
  }
}

async function listeningPort(child: ChildProcess): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  let output = ''
  const fail = (why: string): void => reject(new Error(`nats-server ${why}:\n${output}`))
  const timer = setTimeout(() => fail('is not ready in time'), startMs)
  child.once('error', (error) => fail(error.message))
  child.once('exit', (code) => fail(`ended with ${code}`))
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    if (output.length < 100_000) output += text
    const [, port] = /Listening for client connections on 127\.0\.0\.1:(\d+)/.exec(output) ?? []
    if (port !== undefined && output.includes('Server is ready')) resolve(Number(port))
  })
  return promise.finally(() => clearTimeout(timer))
}
