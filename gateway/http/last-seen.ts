/**
 * Tells users' actors which of their sessions are in use, and from where: at the first request of a token in this process and then
 * every few minutes. What is told is for people who look at their devices, and ends the tokens before a refresh; nobody waits for it.
 */

import type { Asker } from '#actors/runtime/client.ts'
import type { Clock } from '#actors/runtime/clock.ts'
import type { Requester } from './endpoint.ts'

/** Milliseconds after which a session in use is told again. */
const intervalMs = 10 * 60_000

/** The most sessions that are remembered; beyond that the one told first is forgotten and told again. */
const maxSessions = 50_000

export class LastSeen {
  readonly #ask: Asker
  readonly #clock: Clock
  /** Token hash → monotonic milliseconds at which it was told. */
  readonly #toldMs = new Map<string, number>()

  constructor(services: { readonly ask: Asker; readonly clock: Clock }) {
    this.#ask = services.ask
    this.#clock = services.clock
  }

  /** Notes a request. `address` is only called when there is something to tell. */
  note(requester: Requester, address: () => string): void {
    const nowMs = this.#clock.monotonic()
    const toldMs = this.#toldMs.get(requester.tokenHash)
    if (toldMs !== undefined && nowMs - toldMs < intervalMs) return
    this.#toldMs.delete(requester.tokenHash)
    this.#toldMs.set(requester.tokenHash, nowMs)
    if (this.#toldMs.size > maxSessions) {
      const first = this.#toldMs.keys().next()
      if (first.done !== true) this.#toldMs.delete(first.value)
    }
    void this.#tell(requester, address())
  }

  async #tell({ userId, deviceId, tokenHash }: Requester, ip: string): Promise<void> {
    try {
      await this.#ask.ask('user', userId, 'seen', { deviceId, ip, ts: this.#clock.now(), tokenHash })
    } catch {
      // The next request tells it.
      this.#toldMs.delete(tokenHash)
    }
  }
}
