/**
 * Clients of one connection each that are replaced as a whole when it is lost. The driver's own way of connecting again loses time, and
 * statements: one that it is given between an error and the end of the socket is never settled, and a write that was
 * pending at the end keeps the next connection from starting until `connect_timeout`, several times over. So a client that has lost its
 * connection gets no statement any more, and what it still holds fails soon.
 *
 * A network that is gone says nothing at all. So a connection that answers nothing for a while is lost, too.
 */

import type { Sql } from './connection.ts'
import { isPending, listenToPending, type Pending } from './pending.ts'
import type { ConnectionLoad } from './pool-loads.ts'

/** Milliseconds after which whatever a replaced client still holds fails. */
const retireMs = 500

/** Opens a client of one connection that calls back when it has lost it. */
export type OpenClient = (onClose: () => void) => Sql

/** How long a connection with statements under way may answer none of them before it counts as lost. */
export interface AnswerLimit {
  /** Milliseconds: more than the server itself gives a statement. */
  readonly ms: number
  readonly onSilent: (silence: { readonly silentMs: number; readonly statements: number }) => void
}

export interface ReplacedOptions {
  readonly open: OpenClient
  readonly connections: number
  /** Told of each connection that is lost. */
  readonly onClose?: (() => void) | undefined
  /** Absent: an answer is waited for as long as it takes. */
  readonly answerLimit?: AnswerLimit | undefined
  /** See `StorageOptions`. */
  readonly cut?: AbortSignal | undefined
  /** Given the connections to count; what it returns is called at their end. */
  readonly count?: ((connections: readonly ConnectionLoad[]) => () => void) | undefined
}

/**
 * A client of several connections. A statement goes to the one that has the fewest. One that fails with its connection rejects with the
 * driver's `CONNECTION_…` codes, whether the server has carried it out or not.
 */
export function replacedWhenLost(options: ReplacedOptions): Sql {
  const { connections, cut } = options
  const slots = Array.from({ length: connections }, () => new Slot(options))
  const [first] = slots
  if (first === undefined) throw new RangeError('a client needs a connection')
  const uncount = options.count?.(slots)
  let turn = 0
  // Every read passes here: nothing is made anew for it.
  const least = (): Slot => {
    turn = (turn + 1) % connections
    let best = slots[turn] ?? first
    for (let i = 1; i < connections; i++) {
      const slot = slots[(turn + i) % connections] ?? first
      if (slot.running < best.running) best = slot
    }
    return best
  }
  const end = async (options?: { timeout?: number }): Promise<void> => {
    uncount?.()
    cut?.removeEventListener('abort', onCut)
    await Promise.all(slots.map((slot) => slot.end(options)))
  }
  const onCut = (): void => void end({ timeout: 0 })
  cut?.addEventListener('abort', onCut)
  if (cut?.aborted) onCut()
  return new Proxy(first.client, {
    apply: (_target, self, args: unknown[]) => (connections === 1 ? first : least()).run(self, args),
    get: (_target, name): unknown => (name === 'end' ? end : Reflect.get(least().client, name)),
  })
}

class Slot implements ConnectionLoad {
  client: Sql
  isOpen = false
  /** Statements that are under way. */
  running = 0
  readonly #options: ReplacedOptions
  /** When a statement was last answered, or the first of those under way was asked. */
  #progressAt = 0
  #isWatched = false
  #ended = false

  constructor(options: ReplacedOptions) {
    this.#options = options
    this.client = this.#connect()
  }

  run(self: unknown, args: unknown[]): unknown {
    const made: unknown = Reflect.apply(this.client, self, args)
    if (isPending(made)) this.#count(made)
    return made
  }

  async end(options?: { timeout?: number }): Promise<void> {
    this.#ended = true
    await this.client.end(options)
  }

  #connect(): Sql {
    this.isOpen = false
    const client = this.#options.open(() => {
      if (!this.#ended && client === this.client) {
        this.client = this.#connect()
        setTimeout(() => void client.end({ timeout: 0 }), retireMs)
      }
      this.#options.onClose?.()
    })
    return client
  }

  #count(query: Pending): void {
    const { client } = this
    listenToPending(query, {
      started: () => {
        if (this.running++ === 0) this.#progressAt = performance.now()
        if (this.#options.answerLimit !== undefined) this.#watch(this.#options.answerLimit, 0)
      },
      settled: () => {
        this.running--
        // Where it failed with its connection that has been replaced, or is in a moment.
        if (client === this.client) this.isOpen = true
        this.#progressAt = performance.now()
      },
    })
  }

  /** Looks, when the time is over, whether anything has been answered since; one timer for all statements. */
  #watch(limit: AnswerLimit, passedMs: number): void {
    if (this.#isWatched) return
    this.#isWatched = true
    setTimeout(() => {
      this.#isWatched = false
      if (this.running === 0 || this.#ended) return
      const silentMs = performance.now() - this.#progressAt
      if (silentMs < limit.ms) return this.#watch(limit, silentMs)
      limit.onSilent({ silentMs, statements: this.running })
      this.#giveUp()
    }, limit.ms - passedMs).unref()
  }

  /** Whether the server still works on what was asked is not known; whoever waits is told that there is no answer. */
  #giveUp(): void {
    const silent = this.client
    this.client = this.#connect()
    void silent.end({ timeout: 0 })
  }
}
