/**
 * Real Troupe processes for tests: started with the program's own command line, bound to loopback, bounded in time, ended by
 * their own process id.
 */

import { spawn, type ChildProcess } from 'node:child_process'
import { open } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const root = join(import.meta.dirname, '..', '..')

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

export interface TroupeProcess {
  /** Of the client-server API; only where the process has the gateway role. */
  readonly url: string
  /** Of /health, /ready and /metrics. */
  readonly opsUrl: string
  readonly pid: number
  readonly hostName: string
  /** What it has printed so far. */
  output(): string
  /** SIGTERM, and waits; resolves with the exit code. Kills after ten seconds. */
  stop(): Promise<number | null>
  /** SIGKILL, and waits until it is gone. */
  kill(): Promise<void>
  /** SIGSTOP or SIGCONT. */
  signal(name: 'SIGSTOP' | 'SIGCONT'): void
  [Symbol.asyncDispose](): Promise<void>
}

export interface ProcessOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly hostName?: string
  readonly port?: number
  /** The program's folder, for another version than this one. */
  readonly root?: string
  /** Where everything that it prints goes; absent: to `output()`. */
  readonly outputFile?: string
  /** How long it may take until it is ready, milliseconds. */
  readonly readyMs?: number
  /** It is not waited until it is ready. */
  readonly isAwaited?: boolean
}

/** What every test server is told: quick hashes, open doors, no limits, nothing from this machine's environment. */
export const testSettings: Readonly<Record<string, string>> = {
  TROUPE_REGISTRATION: 'open',
  TROUPE_RATE_LIMITS: 'off',
  TROUPE_PASSWORD_HASH: 'cheap',
  TROUPE_LOG_LEVEL: 'warn',
}

function environment(options: ProcessOptions, port: number, opsPort: number): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(TROUPE_|DATABASE_URL|NATS_URL|NODE_TEST)/.test(name),
  )
  return {
    ...Object.fromEntries(inherited),
    ...testSettings,
    TROUPE_LISTEN: `127.0.0.1:${port}`,
    TROUPE_METRICS_LISTEN: `127.0.0.1:${opsPort}`,
    TROUPE_HOST_NAME: options.hostName ?? `host-${port}`,
    ...options.env,
  }
}

function exited(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode)
  return new Promise((resolve) => child.once('exit', (code) => resolve(code)))
}

async function untilReady(
  child: ChildProcess,
  opsUrl: string,
  output: () => string,
  limitMs: number,
): Promise<void> {
  const end = performance.now() + limitMs
  for (;;) {
    if (child.exitCode !== null) throw new Error(`the process ended with ${child.exitCode}:\n${output()}`)
    const ready = await fetch(`${opsUrl}/ready`, { signal: AbortSignal.timeout(1000) }).then(
      (response) => response.ok,
      () => false,
    )
    if (ready) return
    if (performance.now() > end) throw new Error(`not ready after ${limitMs} ms:\n${output()}`)
    await sleep(25)
  }
}

/** What it prints goes into a file, or can be read from the child. */
async function spawnInto(
  file: string | undefined,
  args: readonly string[],
  options: { readonly env: NodeJS.ProcessEnv },
): Promise<ChildProcess> {
  if (file === undefined)
    return spawn(process.execPath, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
  await using output = await open(file, 'a')
  return spawn(process.execPath, args, { ...options, stdio: ['ignore', output.fd, output.fd] })
}

/** Starts one process and, as a rule, waits until it says that it is ready. */
export async function startTroupe(options: ProcessOptions = {}): Promise<TroupeProcess> {
  const port = options.port ?? (await freePort())
  const opsPort = await freePort()
  const child = await spawnInto(
    options.outputFile,
    [join(options.root ?? root, 'gateway', 'main.ts'), 'start'],
    {
      env: environment(options, port, opsPort),
    },
  )
  let text = ''
  const collect = (chunk: Buffer): void => {
    text = (text + chunk.toString()).slice(-200_000)
  }
  child.stdout?.on('data', collect)
  child.stderr?.on('data', collect)
  const opsUrl = `http://127.0.0.1:${opsPort}`
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await exited(child)
  }
  const stop = async (): Promise<number | null> => {
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), 10_000)
    const code = await exited(child)
    clearTimeout(timer)
    return code
  }
  try {
    if (options.isAwaited !== false) await untilReady(child, opsUrl, () => text, options.readyMs ?? 30_000)
  } catch (error) {
    await kill()
    throw error
  }
  return {
    url: `http://127.0.0.1:${port}`,
    opsUrl,
    pid: child.pid ?? 0,
    hostName: options.hostName ?? `host-${port}`,
    output: () => text,
    stop,
    kill,
    signal: (name) => void child.kill(name),
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGCONT')
      await stop()
    },
  }
}
