/**
 * Password hashes: argon2id (RFC 9106) from node:crypto, which runs in the thread pool and never on the event loop. Stored in the PHC
 * string format, so that a hash says itself how it was made and the cost can change later.
 */

import { argon2, timingSafeEqual } from 'node:crypto'
import type { Random } from '#actors/runtime/clock.ts'
import type { Passwords } from './http/endpoint.ts'
import { limitExceeded } from './http/rate-limit.ts'

/** How expensive a hash is. */
export interface PasswordCost {
  readonly memoryKib: number
  readonly passes: number
}

export const passwordCosts: Readonly<Record<'normal' | 'cheap', PasswordCost>> = {
  normal: { memoryKib: 19_456, passes: 2 },
  cheap: { memoryKib: 8, passes: 1 },
}

export interface PasswordOptions {
  readonly cost: PasswordCost
  readonly random: Random
  /** How many hashes are computed at once: fewer than there are cores, so that the event loop keeps one. */
  readonly concurrency: number
  /** How many may wait; the next is refused. */
  readonly maxWaiting: number
}

interface ParsedHash {
  readonly cost: PasswordCost
  readonly salt: Uint8Array
  readonly tag: Uint8Array
}

const saltBytes = 16
const tagBytes = 32
const version = 19

/** Milliseconds after which somebody who found the queue full may come again. */
const queueRetryMs = 2000

/** Node's name for work that one person's request may cost, at most: a stored hash that asks for more is refused. */
const maxMemoryKib = 1_048_576

export class ArgonPasswords implements Passwords {
  readonly #options: PasswordOptions
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(options: PasswordOptions) {
    this.#options = options
  }

  /** The PHC string of a new password, with a salt of its own. Throws M_LIMIT_EXCEEDED when too many hashes wait. */
  async hash(password: string): Promise<string> {
    const salt = this.#options.random.bytes(saltBytes)
    const { cost } = this.#options
    const tag = await this.#run(() => derive(password, salt, cost))
    return `$argon2id$v=${version}$m=${cost.memoryKib},t=${cost.passes},p=1$${encode(salt)}$${encode(tag)}`
  }

  /**
   * Whether a password has that hash. Without a hash, the same work is done for nothing, so that the time does not tell whether an
   * account exists. Throws M_LIMIT_EXCEEDED when too many hashes wait.
   */
  async verify(password: string, hash: string | undefined): Promise<boolean> {
    const parsed = hash === undefined ? undefined : parseHash(hash)
    const salt = parsed?.salt ?? this.#options.random.bytes(saltBytes)
    const tag = await this.#run(() => derive(password, salt, parsed?.cost ?? this.#options.cost))
    return parsed !== undefined && parsed.tag.length === tag.length && timingSafeEqual(parsed.tag, tag)
  }

  async #run(work: () => Promise<Uint8Array>): Promise<Uint8Array> {
    if (this.#running >= this.#options.concurrency) await this.#wait()
    else this.#running++
    try {
      return await work()
    } finally {
      // Whoever waits takes over the place, so that nobody who comes now can take it first.
      const next = this.#waiting.shift()
      if (next === undefined) this.#running--
      else next()
    }
  }

  #wait(): Promise<void> {
    if (this.#waiting.length >= this.#options.maxWaiting) throw limitExceeded(queueRetryMs)
    return new Promise((resolve) => this.#waiting.push(resolve))
  }
}

function derive(password: string, salt: Uint8Array, cost: PasswordCost): Promise<Uint8Array> {
  const parameters = {
    message: Buffer.from(password, 'utf8'),
    nonce: salt,
    parallelism: 1,
    tagLength: tagBytes,
    memory: cost.memoryKib,
    passes: cost.passes,
  }
  return new Promise((resolve, reject) => {
    argon2('argon2id', parameters, (error, tag) => {
      if (error === null) resolve(tag)
      else reject(error)
    })
  })
}

function encode(bytes: Uint8Array): string {
  return bytes.toBase64({ omitPadding: true })
}

const phc = /^\$argon2id\$v=19\$m=([0-9]{1,8}),t=([0-9]{1,3}),p=1\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/

/** The parts of a PHC string. Throws where it is not one of ours: then the database is damaged, and the caller's answer is 500. */
function parseHash(text: string): ParsedHash {
  const [, memory, passes, salt, tag] = phc.exec(text) ?? []
  if (salt === undefined || tag === undefined || Number(memory) > maxMemoryKib) {
    throw new Error('A stored password hash is not an argon2id string that this program makes.')
  }
  return {
    cost: { memoryKib: Number(memory), passes: Number(passes) },
    salt: Uint8Array.fromBase64(salt),
    tag: Uint8Array.fromBase64(tag),
  }
}
