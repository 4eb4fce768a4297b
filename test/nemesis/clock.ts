/** Clocks of processes that can be set while they run, by libfaketime; the monotonic clock is left alone. */

import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Environment } from './arena.ts'

const library = [
  '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1',
  '/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1',
].find((path) => existsSync(path))

/** Seconds by which a clock can go wrong: an hour forward, an hour back, ten years forward, and right again. */
export const jumps = ['+3600', '-3600', '+315360000', '+0'] as const

export type Jump = (typeof jumps)[number]

/** Why clocks cannot be set on this machine; undefined: they can. */
export function clockMissing(): string | undefined {
  return library === undefined ? 'libfaketime is not installed (Debian: faketime)' : undefined
}

export class FalseClock implements AsyncDisposable {
  readonly #directory: string

  private constructor(directory: string) {
    this.#directory = directory
  }

  /** A clock that is right until it is set. */
  static async make(): Promise<FalseClock> {
    const clock = new FalseClock(await mkdtemp(join(tmpdir(), 'arena-clock-')))
    await clock.set('+0')
    return clock
  }

  /** Whoever is started in this environment goes by this clock. */
  get env(): Environment {
    return {
      LD_PRELOAD: library ?? '',
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      DONT_FAKE_MONOTONIC: '1',
    }
  }

  set(jump: Jump): Promise<void> {
    return writeFile(this.#file, jump)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return rm(this.#directory, { recursive: true, force: true })
  }

  get #file(): string {
    return join(this.#directory, 'clock')
  }
}
