/**
 * The bus between simulated processes. It keeps the little that `actors/bus/bus.ts` promises and breaks everything else: messages
 * are delayed, overtake each other, get lost and come twice; a process can be cut off, and the whole bus can be down.
 */

import {
  type Bus,
  BusError,
  type BusMessage,
  type BusSubscription,
  type RequestOptions,
} from '#actors/bus/bus.ts'
import { Deadline } from '#actors/bus/deadline.ts'
import { failureText, type Listener, type ServeHandler } from '#actors/bus/local.ts'
import { PendingReply } from '#actors/bus/pending-reply.ts'
import type { Subject } from '#actors/bus/subjects.ts'
import type { Kernel, Process } from './kernel.ts'

/** How the bus misbehaves while faults are on. Probabilities for each message. */
export interface BusFaults {
  readonly drop: number
  readonly duplicate: number
  /** Of a delay of up to `slowMs` instead of the usual one. */
  readonly slow: number
  readonly slowMs: number
}

export const goodBus: BusFaults = { drop: 0, duplicate: 0, slow: 0, slowMs: 0 }

/** The usual time of one message, milliseconds. */
const usualMs = 2

interface Endpoint<T> {
  readonly bus: SimulatedBus
  readonly receive: T
}

export class Network {
  faults: BusFaults = goodBus
  readonly kernel: Kernel
  /** Processes that have no connection. */
  readonly cutOff = new Set<Process>()
  /** When a process published something under a subject: process and subject → times. */
  readonly published = new Map<string, number[]>()
  /** Nothing that is published reaches another process; what is asked does. */
  isSilent = false
  readonly #buses = new Set<SimulatedBus>()
  readonly #listeners = new Map<Subject, Set<Endpoint<Listener>>>()
  readonly #handlers = new Map<Subject, Set<Endpoint<ServeHandler>>>()
  #down = false

  constructor(kernel: Kernel) {
    this.kernel = kernel
  }

  /** The bus as one process sees it. */
  connect(process: Process): SimulatedBus {
    const bus = new SimulatedBus(this, process)
    this.#buses.add(bus)
    process.onDeath(() => this.#leave(bus))
    return bus
  }

  /** Nobody has a connection while it is down. */
  setDown(down: boolean): void {
    this.#down = down
    this.connectionsChanged()
  }

  cut(process: Process, cut: boolean): void {
    if (cut) this.cutOff.add(process)
    else this.cutOff.delete(process)
    this.connectionsChanged()
  }

  connectionsChanged(): void {
    for (const bus of this.#buses) bus.noticeHealth(this.reaches(bus.process))
  }

  reaches(process: Process): boolean {
    return !this.#down && process.isAlive && !this.cutOff.has(process)
  }

  listen(subject: Subject, endpoint: Endpoint<Listener>): () => void {
    return addTo(this.#listeners, subject, endpoint)
  }

  handle(subject: Subject, endpoint: Endpoint<ServeHandler>): () => void {
    return addTo(this.#handlers, subject, endpoint)
  }

  /** Who of the other processes serves a subject, or of one's own. */
  handlersOf(subject: Subject): readonly Endpoint<ServeHandler>[] {
    return [...(this.#handlers.get(subject) ?? [])]
  }

  /** Tells all who listen at this moment, each on his own way. */
  tell(from: SimulatedBus, subject: Subject, message: BusMessage): void {
    const times = this.published.getOrInsertComputed(`${from.process.name} ${subject}`, () => [])
    times.push(this.kernel.nowMs)
    for (const to of this.#listeners.get(subject) ?? []) {
      const deliver = (): void => {
        if (this.#listeners.get(subject)?.has(to) === true) to.receive(message)
      }
      if (to.bus === from) this.kernel.after(0, deliver, to.bus.process)
      else if (!this.isSilent) this.carry(from.process, to.bus.process, deliver)
    }
  }

  /** Brings something from one process to another, if it arrives. */
  carry(from: Process, to: Process, deliver: () => void): void {
    const { random } = this.kernel
    if (!this.reaches(from) || random.fraction() < this.faults.drop) return
    const copies = random.fraction() < this.faults.duplicate ? 2 : 1
    for (let i = 0; i < copies; i++) {
      const slow = random.fraction() < this.faults.slow
      const delayMs = random.fraction() * (slow ? this.faults.slowMs : usualMs)
      // What arrives while there is no connection is lost; what arrives while the process stands still waits for it.
      this.kernel.after(delayMs, () => {
        if (this.reaches(to)) this.kernel.after(0, deliver, to)
      })
    }
  }

  #leave(bus: SimulatedBus): void {
    this.#buses.delete(bus)
    for (const endpoints of [...this.#listeners.values(), ...this.#handlers.values()]) {
      for (const endpoint of endpoints) {
        // The cast is sound: an endpoint is deleted by identity alone.
        if (endpoint.bus === bus) (endpoints as Set<unknown>).delete(endpoint)
      }
    }
  }
}

export class SimulatedBus implements Bus {
  readonly process: Process
  readonly #network: Network
  readonly #healthListeners = new Set<(healthy: boolean) => void>()
  #healthy = true

  constructor(network: Network, process: Process) {
    this.#network = network
    this.process = process
  }

  get healthy(): boolean {
    return this.#healthy
  }

  /** For the network: whether there is a connection now. */
  noticeHealth(healthy: boolean): void {
    if (healthy === this.#healthy) return
    this.#healthy = healthy
    const tell = (): void => {
      for (const listener of this.#healthListeners) listener(healthy)
    }
    this.#network.kernel.after(0, tell, this.process)
  }

  request(subject: Subject, message: BusMessage, options: RequestOptions): Promise<BusMessage> {
    const pending = new PendingReply('memory', subject, this.process.clock, options)
    if (!this.#network.reaches(this.process)) {
      pending.fail(new BusError('disconnected', `${subject}: not connected`))
    } else if (!pending.isSettled) this.#ask(pending, subject, copyOf(message))
    return pending.promise
  }

  serve(subject: Subject, handler: ServeHandler): Promise<BusSubscription> {
    return this.#subscribed(this.#network.handle(subject, { bus: this, receive: handler }))
  }

  publish(subject: Subject, message: BusMessage): void {
    if (this.#network.reaches(this.process)) this.#network.tell(this, subject, copyOf(message))
  }

  subscribe(subject: Subject, listener: Listener): Promise<BusSubscription> {
    return this.#subscribed(this.#network.listen(subject, { bus: this, receive: listener }))
  }

  onHealth(listener: (healthy: boolean) => void): () => void {
    this.#healthListeners.add(listener)
    return () => this.#healthListeners.delete(listener)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#network.cut(this.process, true)
  }

  /** The bus knows of a subscription a moment after it was made. */
  #subscribed(remove: () => void): Promise<BusSubscription> {
    return new Promise((resolve) => {
      const { kernel } = this.#network
      const subscription = {
        close: async (): Promise<void> => remove(),
      }
      kernel.after(kernel.random.fraction() * usualMs, () => resolve(subscription), this.process)
    })
  }

  #ask(pending: PendingReply, subject: Subject, message: BusMessage): void {
    const network = this.#network
    const handlers = network.handlersOf(subject)
    if (handlers.length === 0) {
      const refuse = (): void => pending.fail(new BusError('no-responders', `${subject}: nobody serves it`))
      network.carry(this.process, this.process, refuse)
      return
    }
    for (const handler of handlers) {
      const to = handler.bus.process
      network.carry(this.process, to, () => this.#serve({ pending, handler, subject, message }))
    }
  }

  /** In the process of the one who serves. */
  #serve(request: {
    readonly pending: PendingReply
    readonly handler: Endpoint<ServeHandler>
    readonly subject: Subject
    readonly message: BusMessage
  }): void {
    const { pending, handler, subject, message } = request
    const to = handler.bus.process
    const deadline = new Deadline(to.clock, pending.remainingMs)
    const answer = (settle: () => void): void => this.#network.carry(to, this.process, settle)
    Promise.resolve()
      .then(() => handler.receive(message, deadline))
      .then(
        (reply) => {
          deadline.release()
          if (reply === undefined) return
          const copy = copyOf(reply)
          answer(() => pending.succeed(copy))
        },
        (error: unknown) => {
          deadline.release()
          const text = `${subject}: the handler threw ${failureText(error)}`
          answer(() => pending.fail(new BusError('failed', text, { cause: error })))
        },
      )
  }
}

/** Nothing is shared between processes. */
function copyOf({ head, body }: BusMessage): BusMessage {
  // The cast is sound: what was JSON is JSON again.
  const copy = JSON.parse(JSON.stringify(head)) as BusMessage['head']
  return body === undefined ? { head: copy } : { head: copy, body }
}

function addTo<T>(map: Map<Subject, Set<Endpoint<T>>>, subject: Subject, endpoint: Endpoint<T>): () => void {
  const endpoints = map.get(subject) ?? new Set<Endpoint<T>>()
  map.set(subject, endpoints)
  endpoints.add(endpoint)
  return () => endpoints.delete(endpoint)
}
