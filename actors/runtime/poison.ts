/**
 * Requests that kill their actor. One that did so three times is parked: it is refused without being tried, so that a bad message
 * cannot keep an actor from serving the good ones. Kept in memory, bounded, and forgotten after a while: a new version may do better.
 */

import { createHash } from 'node:crypto'
import { MatrixError } from '#protocol/errors.ts'
import type { ActorKind } from '../bus/subjects.ts'
import type { Clock } from './clock.ts'

interface Suspect {
  kills: number
  lastMs: number
}

const killsToPark = 3
const maxSuspects = 1000
const forgetAfterMs = 10 * 60_000

export class Poison {
  readonly #clock: Clock
  /** By actor, then by request. */
  readonly #actors = new Map<string, Map<string, Suspect>>()
  #count = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Counts a kill. True when the request is parked from now on. */
  record(kind: ActorKind, key: string, request: Request): boolean {
    const name = `${kind} ${key}`
    const suspects = this.#actors.get(name) ?? new Map<string, Suspect>()
    // Put at the end again: the oldest one is the first to be forgotten.
    this.#actors.delete(name)
    this.#actors.set(name, suspects)
    const print = printOf(request)
    const nowMs = this.#clock.monotonic()
    const known = suspects.get(print)
    if (known === undefined) {
      suspects.set(print, { kills: 1, lastMs: nowMs })
      this.#count++
      this.#bound()
      return false
    }
    known.kills = nowMs - known.lastMs > forgetAfterMs ? 1 : known.kills + 1
    known.lastMs = nowMs
    return known.kills === killsToPark
  }

  /** The error for a parked request, else undefined. Costs one look into an empty map while nothing has been killed. */
  refusal(kind: ActorKind, key: string, request: Request): MatrixError | undefined {
    if (this.#count === 0) return undefined
    const suspect = this.#actors.get(`${kind} ${key}`)?.get(printOf(request))
    if (suspect === undefined || suspect.kills < killsToPark) return undefined
    if (this.#clock.monotonic() - suspect.lastMs > forgetAfterMs) return undefined
    return new MatrixError(
      'M_UNKNOWN',
      'This request has failed several times and is not tried again for a while.',
    )
  }

  #bound(): void {
    while (this.#count > maxSuspects) {
      const oldest = this.#actors.entries().next().value
      if (oldest === undefined) return
      this.#actors.delete(oldest[0])
      this.#count -= oldest[1].size
    }
  }
}

interface Request {
  readonly kind: string
  readonly body: unknown
}

function printOf(request: Request): string {
  const body = JSON.stringify(request.body) ?? ''
  return `${request.kind} ${createHash('sha256').update(body).digest('base64url')}`
}
