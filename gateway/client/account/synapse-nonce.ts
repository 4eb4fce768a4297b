/**
 * The nonces of /_synapse/admin/v1/register: each is given once, used once, and valid for a minute. They need no store: a nonce says
 * itself when it was made and bears a keyed hash of that; which ones were used is remembered while they are valid.
 */

import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Clock, Random } from '#actors/runtime/clock.ts'

const validMs = 60_000
const randomBytes = 12

export class Nonces {
  readonly #used = new Map<string, number>()

  /** A nonce that `take` accepts once within a minute. */
  make(secret: string, { clock, random }: { clock: Clock; random: Random }): string {
    const body = `${clock.now()}.${Buffer.from(random.bytes(randomBytes)).toString('hex')}`
    return `${body}.${seal(secret, body)}`
  }

  /** Whether the nonce was made with this secret within the last minute and is used for the first time in this process. */
  take(secret: string, nonce: string, clock: Clock): boolean {
    const now = clock.now()
    const [madeAt = '', chance = '', sealed = ''] = nonce.split('.')
    const expected = Buffer.from(seal(secret, `${madeAt}.${chance}`))
    const given = Buffer.from(sealed)
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return false
    for (const [old, time] of this.#used) if (now - time > validMs) this.#used.delete(old)
    if (now - Number(madeAt) > validMs || this.#used.has(nonce)) return false
    this.#used.set(nonce, Number(madeAt))
    return true
  }
}

function seal(secret: string, body: string): string {
  return createHmac('sha256', secret).update(`nonce ${body}`).digest('hex')
}
