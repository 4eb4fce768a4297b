/**
 * Time and chance come in by interface, so that the same actor code runs in real processes and in the seeded simulator.
 * This file holds the only implementations that may touch the real ones.
 */

import { randomBytes } from 'node:crypto'

/** A timer that can be cancelled; cancelling twice is harmless. */
export interface Timer {
  cancel(): void
}

export interface Clock {
  /** Wall clock, epoch milliseconds: only for what is told to people and written into events. */
  now(): number
  /** Monotonic milliseconds: for leases, deadlines and intervals. */
  monotonic(): number
  /** Calls `run` once, after `delayMs`. Does not keep the process alive. */
  after(delayMs: number, run: () => void): Timer
}

export interface Random {
  /** Unpredictable bytes. */
  bytes(length: number): Uint8Array
  /** A float in [0, 1), for jitter. */
  fraction(): number
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs)
    timer.unref()
    return { cancel: () => clearTimeout(timer) }
  },
}

export const systemRandom: Random = {
  bytes: (length) => randomBytes(length),
  fraction: () => Math.random(),
}

/** Resolves after `delayMs`, or rejects with the signal's reason as soon as it is aborted. */
export function delay(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason as Error)
    const timer = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    })
    function onAbort(): void {
      timer.cancel()
      reject(signal?.reason as Error)
    }
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/** Waits for something, but not beyond the abort of `cut`; what comes of it later is of no interest. Throws what it throws in time. */
export async function unlessCut(work: Promise<unknown>, cut: AbortSignal | undefined): Promise<void> {
  const over = Promise.withResolvers<void>()
  if (cut?.aborted) over.resolve()
  cut?.addEventListener('abort', () => over.resolve(), { once: true })
  await Promise.race([work, over.promise])
}

/** Waits for something, but not longer than `limitMs`; what comes of it later is of no interest. Throws what it throws in time. */
export async function atMost(clock: Clock, limitMs: number, work: Promise<unknown>): Promise<void> {
  const over = Promise.withResolvers<void>()
  const timer = clock.after(limitMs, over.resolve)
  try {
    await Promise.race([work, over.promise])
  } finally {
    timer.cancel()
  }
}
