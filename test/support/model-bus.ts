/** The bus as one of several hosts in this process has it: a way to the common one that a test can cut. */

import {
  type Bus,
  BusError,
  type BusMessage,
  type BusSubscription,
  type RequestOptions,
} from '#actors/bus/bus.ts'
import type { Listener, ServeHandler } from '#actors/bus/local.ts'
import type { Subject } from '#actors/bus/subjects.ts'

export class ModelBus implements Bus {
  readonly #common: Bus
  readonly #listeners = new Set<(healthy: boolean) => void>()
  #healthy = true
  /** What is served from now on is served when this has resolved. */
  served: Promise<void> = Promise.resolve()

  constructor(common: Bus) {
    this.#common = common
  }

  get healthy(): boolean {
    return this.#healthy
  }

  /** Nothing goes out or comes in any more. */
  cut(): void {
    this.#turn(false)
  }

  mend(): void {
    this.#turn(true)
  }

  request(subject: Subject, message: BusMessage, options: RequestOptions): Promise<BusMessage> {
    if (this.#healthy) return this.#common.request(subject, message, options)
    return Promise.reject(new BusError('disconnected', `${subject}: cut off`))
  }

  async serve(subject: Subject, handler: ServeHandler): Promise<BusSubscription> {
    await this.served
    const subscription = await this.#common.serve(subject, async (message, context) =>
      this.#healthy ? handler(message, context) : undefined,
    )
    return { close: () => this.#close(subscription) }
  }

  publish(subject: Subject, message: BusMessage): void {
    if (this.#healthy) this.#common.publish(subject, message)
  }

  subscribe(subject: Subject, listener: Listener): Promise<BusSubscription> {
    return this.#common.subscribe(subject, (message) => {
      if (this.#healthy) listener(message)
    })
  }

  onHealth(listener: (healthy: boolean) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** The common bus stays. */
  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve()
  }

  /** Whoever is cut off stays where he was for the others: they ask him and hear nothing. */
  async #close(subscription: BusSubscription): Promise<void> {
    if (this.#healthy) return subscription.close()
    const end = this.onHealth(() => {
      end()
      void subscription.close()
    })
  }

  #turn(healthy: boolean): void {
    if (this.#healthy === healthy) return
    this.#healthy = healthy
    for (const listener of this.#listeners) listener(healthy)
  }
}
