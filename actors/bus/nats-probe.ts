/**
 * Finds a server that speaks, before the client dials it. The client keeps the socket of an attempt that it gave up, for as
 * long as a server that stands still holds it open, and an attempt of it cannot be cancelled.
 */

import { createConnection } from 'node:net'
import type { Clock, Random } from '../runtime/clock.ts'

export interface ProbeOptions {
  readonly clock: Clock
  readonly random: Random
  /** Milliseconds for each server. */
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** The first of the servers, tried from a random one on, that greets. Rejects with the last reason when none does. */
export async function answeringServer(servers: readonly string[], options: ProbeOptions): Promise<string> {
  const first = Math.floor(options.random.fraction() * servers.length)
  let failure: unknown
  for (const server of [...servers.slice(first), ...servers.slice(0, first)]) {
    try {
      await greeting(server, options)
      return server
    } catch (error) {
      failure = error
    }
  }
  throw failure instanceof Error ? failure : new Error('no server is named')
}

function greeting(server: string, { clock, timeoutMs, signal }: ProbeOptions): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const { hostname, port } = new URL(`nats://${server}`)
  const socket = createConnection({ host: hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(port) })
  const onAbort = (): void => reject(new Error('closed'))
  const timer = clock.after(timeoutMs, () => reject(new Error(`no greeting in ${timeoutMs} ms`)))
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  socket.once('data', (bytes: Buffer) => {
    if (bytes.subarray(0, 5).toString('latin1') === 'INFO ') resolve()
    else reject(new Error('what answers is not a NATS server'))
  })
  socket.once('error', reject)
  socket.once('close', () => reject(new Error('the connection was closed')))
  return promise.finally(() => {
    timer.cancel()
    signal.removeEventListener('abort', onAbort)
    // An error that comes after the outcome is of no interest, but must have a listener.
    socket.on('error', () => {})
    socket.destroy()
  })
}
