/** An actor for tests of the runtime: it counts, and does what actors may do, on request. Its log is its memory. */

import { MatrixError } from '#protocol/errors.ts'
import type { Actor, ActorContext, ActorDefinition, Caller, RequestOf } from '#actors/runtime/contract.ts'
import type { ActorKind } from '#actors/bus/subjects.ts'

export type CounterMessages = {
  /** Adds, durably, and says the sum. */
  add: { request: { by: number; txnKey?: string; body?: string }; reply: { sum: number } }
  /** Says the sum. */
  read: { request: object; reply: { sum: number } }
  /** Refuses what was asked. */
  refuse: { request: object; reply: object }
  /** Throws what is no MatrixError, after adding if told so. */
  crash: { request: { add?: number }; reply: object }
  /** Waits for the test's word in its turn. */
  slow: { request: object; reply: { sum: number } }
  /** Beside turns: answers when the sum has reached a number, or when it is aborted. */
  wait: { request: { for: number }; reply: { sum: number } }
  /** Replies with a head and a body. */
  large: { request: { length: number }; reply: { head: { length: number }; body: string } }
}

export interface CounterState {
  readonly sum: number
  /** Transaction keys that have been seen. */
  readonly txnKeys: readonly string[]
}

export interface CounterOptions {
  /** Reads what the log holds of this counter. */
  readonly load: (context: ActorContext) => Promise<CounterState>
  readonly kind?: ActorKind
  readonly mailboxLimit?: number
  readonly idleMs?: number
  /** Waited for by `slow`. */
  readonly gate?: () => Promise<void>
  readonly mayPassivate?: () => boolean
  readonly onHandle?: (kind: string, caller: Caller) => void
  readonly passivate?: (counter: Counter) => void
}

export class Counter implements Actor<CounterMessages> {
  sum: number
  readonly context: ActorContext
  readonly #options: CounterOptions
  readonly #waiting = new Set<() => void>()
  readonly #seen: Set<string>

  constructor(context: ActorContext, options: CounterOptions, state: CounterState) {
    this.context = context
    this.#options = options
    this.sum = state.sum
    this.#seen = new Set(state.txnKeys)
  }

  get mayPassivate(): boolean {
    return this.#options.mayPassivate?.() ?? this.#waiting.size === 0
  }

  passivate(): void {
    this.#options.passivate?.(this)
  }

  handle(request: RequestOf<CounterMessages>, caller: Caller): unknown {
    this.#options.onHandle?.(request.kind, caller)
    switch (request.kind) {
      case 'add':
        return this.add(request.body.by, request.body)
      case 'read':
        return { sum: this.sum }
      case 'refuse':
        throw new MatrixError('M_FORBIDDEN', 'You may not.')
      case 'crash':
        if (request.body.add !== undefined) this.add(request.body.add, {})
        throw new Error('a bug')
      case 'slow':
        return (this.#options.gate?.() ?? Promise.resolve()).then(() => ({ sum: this.sum }))
      case 'wait':
        return this.#wait(request.body.for)
      case 'large':
        return { head: { length: request.body.length }, body: 'x'.repeat(request.body.length) }
    }
  }

  add(by: number, row: { txnKey?: string; body?: string }): { sum: number } {
    const { txnKey } = row
    if (txnKey !== undefined) {
      if (this.#seen.has(txnKey)) return { sum: this.sum }
      this.#seen.add(txnKey)
    }
    const writes = this.context.writes()
    const body = JSON.stringify({ key: this.context.key, by, note: row.body })
    writes.append({ kind: 'accountData', body, ...(txnKey !== undefined && { txnKey }) })
    this.sum += by
    void this.context.decide({ writes, entries: [undefined] })
    this.context.afterCommit(() => {
      for (const wake of this.#waiting) wake()
    })
    return { sum: this.sum }
  }

  async #wait(sum: number): Promise<{ sum: number }> {
    while (this.sum < sum) {
      this.context.signal.throwIfAborted()
      const woken = Promise.withResolvers<void>()
      const wake = (): void => woken.resolve()
      this.#waiting.add(wake)
      this.context.signal.addEventListener('abort', wake, { once: true })
      await woken.promise
      this.#waiting.delete(wake)
    }
    return { sum: this.sum }
  }
}

/** The definition. The kind is one of the real ones, since there are no others. */
export function counterActor(options: CounterOptions): ActorDefinition<CounterMessages> {
  return {
    kind: options.kind ?? 'room',
    load: async (context) => new Counter(context, options, await options.load(context)),
    interleaved: new Set(['wait'] as const),
    mailboxLimit: options.mailboxLimit ?? 100,
    idleMs: options.idleMs ?? 60_000,
  }
}

/** What rows of a log say of one counter. */
export function counterState(key: string, rows: Iterable<{ body?: string; txnKey?: string }>): CounterState {
  let sum = 0
  const txnKeys: string[] = []
  for (const { body, txnKey } of rows) {
    const parsed = JSON.parse(body ?? '{}') as { key?: string; by?: number }
    if (parsed.key !== key) continue
    sum += parsed.by ?? 0
    if (txnKey !== undefined) txnKeys.push(txnKey)
  }
  return { sum, txnKeys }
}
