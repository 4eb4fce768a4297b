/** Puts a fault into a running process by the debugger of Node.js, so that what fails is the program as it is. */

import { setTimeout as delay } from 'node:timers/promises'
import type { TroupeProcess } from '../support/process.ts'

const limitMs = 20_000
const pollMs = 20

/** Run in the process; each ends it. */
const faults = {
  error: `setTimeout(() => { throw new Error('a fault of the test') }, 100)`,
  memory: `setTimeout(() => { const kept = []; for (;;) kept.push(new Array(100000).fill(kept.length)) }, 100)`,
} as const

export class Inspector {
  readonly #process: TroupeProcess
  readonly #socket: WebSocket

  constructor(process: TroupeProcess, socket: WebSocket) {
    this.#process = process
    this.#socket = socket
  }

  /** Asks the process to open its debugger and connects. The process must have been started with `--inspect-port=0`. */
  static async attach(target: TroupeProcess): Promise<Inspector> {
    process.kill(target.pid, 'SIGUSR1')
    const url = await waitFor(() => /Debugger listening on (ws:\S+)/.exec(target.output())?.[1])
    const socket = new WebSocket(url)
    await new Promise<void>((resolve, reject) => {
      socket.addEventListener('open', () => resolve(), { once: true })
      socket.addEventListener('error', () => reject(new Error(`nobody answers at ${url}`)), { once: true })
    })
    return new Inspector(target, socket)
  }

  /** Does the fault, and resolves when the process has ended by it. */
  async end(fault: keyof typeof faults): Promise<void> {
    const evaluated = new Promise((resolve) =>
      this.#socket.addEventListener('message', resolve, { once: true }),
    )
    this.#socket.send(
      JSON.stringify({ id: 1, method: 'Runtime.evaluate', params: { expression: faults[fault] } }),
    )
    await evaluated
    // A process that ends waits for its debugger to go.
    this.#socket.close()
    await waitFor(() => (lives(this.#process.pid) ? undefined : true))
  }
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

async function waitFor<T>(look: () => T | undefined): Promise<T> {
  const endMs = performance.now() + limitMs
  for (;;) {
    const found = look()
    if (found !== undefined) return found
    if (performance.now() > endMs)
      throw new Error(`the process did not do in ${limitMs} ms what was asked of it`)
    await delay(pollMs)
  }
}
