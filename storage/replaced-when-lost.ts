/**
 * Clients of one connection each that are replaced as a whole when it is lost. The driver's own way of connecting again loses time, and
 * statements: one that it is given between an error and the end of the socket is never settled, and a write that was
 * pending at the end keeps the next connection from starting until `connect_timeout`, several times over. So a client that has lost its
 * connection gets no statement any more, and what it still holds fails soon.
 */

import type { Sql } from './connection.ts'

/** Milliseconds after which whatever a replaced client still holds fails. */
const retireMs = 500

/** Opens a client of one connection that calls back when it has lost it. */
export type OpenClient = (onClose: () => void) => Sql

/** A client of `connections` connections. A statement goes to the one that has the fewest; `onClose` is told of each that is lost. */
export function replacedWhenLost(open: OpenClient, connections: number, onClose: () => void = () => {}): Sql {
  const slots = Array.from({ length: connections }, () => new Slot(open, onClose))
  const [first] = slots
  if (first === undefined) throw new RangeError('a client needs a connection')
  let turn = 0
  const least = (): Slot => {
    turn = (turn + 1) % connections
    const from = [...slots.slice(turn), ...slots.slice(0, turn)]
    return from.reduce((best, slot) => (slot.running < best.running ? slot : best))
  }
  const end = async (options?: { timeout?: number }): Promise<void> => {
    await Promise.all(slots.map((slot) => slot.end(options)))
  }
  return new Proxy(first.client, {
    apply: (_target, self, args: unknown[]) => (connections === 1 ? first : least()).run(self, args),
    get: (_target, name): unknown => (name === 'end' ? end : Reflect.get(least().client, name)),
  })
}

class Slot {
  client: Sql
  /** Statements that are under way. */
  running = 0
  readonly #open: OpenClient
  readonly #onClose: () => void
  #ended = false

  constructor(open: OpenClient, onClose: () => void) {
    this.#open = open
    this.#onClose = onClose
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
    const client = this.#open(() => {
      if (!this.#ended && client === this.client) {
        this.client = this.#connect()
        setTimeout(() => void client.end({ timeout: 0 }), retireMs)
      }
      this.#onClose()
    })
    return client
  }

  /** A part of a statement is never handled, and the driver may reject one twice. */
  #count(query: Pending): void {
    const { handle, resolve, reject } = query
    let state: 'new' | 'running' | 'settled' = 'new'
    const settle = (): void => {
      if (state === 'running') this.running--
      state = 'settled'
    }
    query.handle = () => {
      if (state === 'new') {
        state = 'running'
        this.running++
      }
      return handle.call(query)
    }
    query.resolve = (result) => {
      settle()
      return resolve(result)
    }
    query.reject = (reason) => {
      settle()
      return reject(reason)
    }
  }
}

/** A statement as the driver sees it, or a part of one: which of the two shows only when it is run. */
interface Pending {
  handle: () => unknown
  resolve: (result: unknown) => unknown
  reject: (reason: unknown) => unknown
}

function isPending(value: unknown): value is Pending {
  return (
    value instanceof Promise &&
    (['handle', 'resolve', 'reject'] as const).every((name) => typeof Reflect.get(value, name) === 'function')
  )
}
