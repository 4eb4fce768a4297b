/**
 * The handlers and listeners of one process, called without any serialisation. The memory adapter is little more than this;
 * the NATS adapter uses it for what stays inside the process.
 */

import type { BusMessage, HandlerContext } from './bus.ts'
import { type BusAdapter, reportBus, targetOf } from './events.ts'
import type { Subject } from './subjects.ts'

/** As `serve` takes it. */
export type ServeHandler = (
  message: BusMessage,
  context: HandlerContext,
) => Promise<BusMessage | undefined> | BusMessage | undefined

export type Listener = (message: BusMessage) => void

export class LocalSubjects {
  readonly #adapter: BusAdapter
  readonly #handlers = new Map<Subject, Set<ServeHandler>>()
  readonly #listeners = new Map<Subject, Set<Listener>>()

  constructor(adapter: BusAdapter) {
    this.#adapter = adapter
  }

  /** Adds a handler; the returned function removes it and may be called twice. The same function may be added again. */
  addHandler(subject: Subject, handler: ServeHandler): () => void {
    return addTo(this.#handlers, subject, (message, context) => handler(message, context))
  }

  addListener(subject: Subject, listener: Listener): () => void {
    return addTo(this.#listeners, subject, (message) => listener(message))
  }

  serves(subject: Subject): boolean {
    return this.#handlers.has(subject)
  }

  /**
   * Asks every handler of the subject and takes the first that says something. Undefined when all of them say nothing.
   * Rejects with what the first one to answer threw.
   */
  ask(subject: Subject, message: BusMessage, context: HandlerContext): Promise<BusMessage | undefined> {
    const handlers = [...(this.#handlers.get(subject) ?? [])]
    const first = Promise.withResolvers<BusMessage | undefined>()
    // A handler never runs inside the call of its caller, as it never does between processes.
    const runs = handlers.map((handler) =>
      Promise.resolve()
        .then(() => handler(message, context))
        .then(
          (reply) => {
            if (reply !== undefined) first.resolve(reply)
          },
          (error: unknown) => {
            reportBus({ kind: 'threw', adapter: this.#adapter, target: targetOf(subject), error })
            first.reject(error)
          },
        ),
    )
    void Promise.all(runs).then(() => first.resolve(undefined))
    return first.promise
  }

  /** Tells every listener, after the caller's turn. A listener that throws is reported and does not stop the others. */
  tell(subject: Subject, message: BusMessage): void {
    if (!this.#listeners.has(subject)) return
    queueMicrotask(() => this.deliver(subject, message))
  }

  /** Tells every listener now. */
  deliver(subject: Subject, message: BusMessage): void {
    for (const listener of this.#listeners.get(subject) ?? []) {
      try {
        listener(message)
      } catch (error) {
        reportBus({ kind: 'threw', adapter: this.#adapter, target: targetOf(subject), error })
      }
    }
  }

  clear(): void {
    this.#handlers.clear()
    this.#listeners.clear()
  }
}

function addTo<T>(map: Map<Subject, Set<T>>, subject: Subject, entry: T): () => void {
  const entries = map.get(subject) ?? new Set<T>()
  map.set(subject, entries)
  entries.add(entry)
  return () => {
    entries.delete(entry)
    if (entries.size === 0 && map.get(subject) === entries) map.delete(subject)
  }
}

/** The words in which a caller learns that a handler threw: the class of the error, nothing of its text or stack. */
export function failureText(error: unknown): string {
  const name = error instanceof Error ? error.name : typeof error
  return /^[A-Za-z0-9_]{1,60}$/.test(name) ? name : 'Error'
}
