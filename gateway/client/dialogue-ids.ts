/**
 * Ids of sessions of user-interactive authentication. What has been done in a session is in its actor's memory, which is lost when the
 * shard moves to another host. So the id itself says what it is for and when it was made, signed with a key of the cluster: a session
 * that its actor does not know goes on if the id is ours, and only the stages that were completed have to be done again.
 *
 *   base64url( seconds since 1970, 6 bytes │ random, 18 bytes │ HMAC-SHA-256 of these and the operation, its first 16 bytes )
 */

import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Clock, Random } from '#actors/runtime/clock.ts'
import type { DialogueIds } from '../http/endpoint.ts'

/** Seconds for which an id may be taken up again. */
const validS = 60 * 60
/** So far the clocks of two gateways may be apart, seconds. */
const apartS = 60

const timeBytes = 6
const randomBytes = 18
const signatureBytes = 16
const ownBytes = timeBytes + randomBytes

export class SignedDialogueIds implements DialogueIds {
  readonly #key: string
  readonly #clock: Clock
  readonly #random: Random

  /** `key`: the same secret on all gateways of a cluster. */
  constructor({
    key,
    clock,
    random,
  }: {
    readonly key: string
    readonly clock: Clock
    readonly random: Random
  }) {
    this.#key = key
    this.#clock = clock
    this.#random = random
  }

  /** A new id for an operation, 54 characters that may be an actor's key. */
  make(operation: string): string {
    const own = Buffer.alloc(ownBytes)
    own.writeUIntBE(this.#seconds(), 0, timeBytes)
    own.set(this.#random.bytes(randomBytes), timeBytes)
    return Buffer.concat([own, this.#sign(own, operation)]).toString('base64url')
  }

  /** Whether this cluster has made the id for this operation, within the last hour. */
  isOurs(id: string, operation: string): boolean {
    const bytes = Buffer.from(id, 'base64url')
    if (bytes.length !== ownBytes + signatureBytes) return false
    const own = bytes.subarray(0, ownBytes)
    if (!timingSafeEqual(bytes.subarray(ownBytes), this.#sign(own, operation))) return false
    const ageS = this.#seconds() - own.readUIntBE(0, timeBytes)
    return ageS >= -apartS && ageS <= validS
  }

  #seconds(): number {
    return Math.floor(this.#clock.now() / 1000)
  }

  #sign(own: Buffer, operation: string): Buffer {
    return createHmac('sha256', this.#key).update(own).update(operation).digest().subarray(0, signatureBytes)
  }
}
