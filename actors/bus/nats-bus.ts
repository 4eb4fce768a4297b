/**
 * The bus between processes, over core NATS. What is served or listened to in this very process is called directly and
 * first; only what nobody here answers goes out. (The server is told not to echo.) README.md describes what goes over the wire.
 */

import type { AssemblerLimits } from './assembler.ts'
import { type Bus, BusError, type BusMessage, type BusSubscription, type RequestOptions } from './bus.ts'
import { encodeMessage } from './codec.ts'
import { Deadline } from './deadline.ts'
import { type DropReason, reportBus, targetOf } from './events.ts'
import { type FrameKind, frameHeaderBytes, frameKind, singleFrame, toFrames } from './frame.ts'
import { failureText, type Listener, LocalSubjects, type ServeHandler } from './local.ts'
import type { NatsDial, NatsMessage } from './nats-client.ts'
import { LateReplies } from './nats-late-replies.ts'
import { type LinkSubscription, NatsLink } from './nats-link.ts'
import { NatsPublications } from './nats-publications.ts'
import { NatsRequests } from './nats-requests.ts'
import { NatsResponder } from './nats-responder.ts'
import type { NatsAddress } from './nats-url.ts'
import { PendingReply } from './pending-reply.ts'
import type { Subject } from './subjects.ts'
import { atMost, type Clock, type Random } from '../runtime/clock.ts'

/** What `connectNatsBus` takes, with its defaults. */
export interface NatsBusSettings {
  readonly address: NatsAddress
  readonly clock: Clock
  readonly random: Random
  readonly waitMs: number
  readonly maxMessageBytes: number
  readonly maxRequests: number
  readonly maxUnconfirmedBytes: number
  readonly drainMs: number
  readonly cut?: AbortSignal | undefined
  readonly dial: NatsDial
  /** A new subject prefix under which only its maker listens. */
  readonly inbox: string
}

export class NatsBus implements Bus {
  readonly #settings: NatsBusSettings
  readonly #limits: AssemblerLimits
  readonly #link: NatsLink
  readonly #local = new LocalSubjects('nats')
  readonly #requests: NatsRequests
  readonly #publications: NatsPublications
  readonly #late: LateReplies
  readonly #responders = new Map<NatsResponder, LinkSubscription>()
  readonly #askedHere = new Set<Promise<void>>()
  readonly #sender: number
  #stream = 0
  /** Resolves when nothing is to be waited for any more. */
  readonly #over = Promise.withResolvers<void>()
  #state: 'open' | 'closing' | 'closed' = 'open'

  /** Use `connectNatsBus`. */
  constructor(settings: NatsBusSettings) {
    const { clock, random, maxMessageBytes } = settings
    this.#settings = settings
    this.#limits = { maxMessageBytes, maxPartialBytes: 4 * maxMessageBytes, maxPartials: 1_000 }
    this.#sender = Buffer.from(random.bytes(4)).readUInt32BE()
    this.#link = new NatsLink({
      address: settings.address,
      dial: settings.dial,
      clock,
      random,
      maxUnconfirmedBytes: settings.maxUnconfirmedBytes,
    })
    settings.cut?.addEventListener('abort', () => this.#cut(), { once: true })
    if (settings.cut?.aborted) this.#cut()
    this.#requests = new NatsRequests(settings.inbox, clock, this.#limits)
    this.#publications = new NatsPublications(clock, this.#limits)
    this.#late = new LateReplies(clock, settings.maxUnconfirmedBytes)
    this.#link.onHealth((healthy) => {
      if (healthy) this.#sendLate()
      else this.#forgetConnection()
    })
  }

  get healthy(): boolean {
    return this.#link.healthy
  }

  /** Requests of this process that wait for a reply of another. */
  get waiting(): number {
    return this.#requests.size
  }

  /** Requests of other processes that are under way here. */
  get running(): number {
    return this.#responders.keys().reduce((sum, responder) => sum + responder.running, 0)
  }

  onHealth(listener: (healthy: boolean) => void): () => void {
    return this.#link.onHealth(listener)
  }

  /** Begins to connect; called once, by `connectNatsBus`. */
  async start(): Promise<void> {
    await this.#link.subscribe(`${this.#requests.inbox}.*`, (message) => this.#requests.receive(message))
    await this.#link.start(this.#settings.waitMs)
  }

  request(subject: Subject, message: BusMessage, options: RequestOptions): Promise<BusMessage> {
    const pending = new PendingReply('nats', subject, this.#settings.clock, options)
    if (pending.isSettled) return pending.promise
    if (this.#state === 'closed') pending.fail(new BusError('disconnected', `${subject}: the bus is closed`))
    else if (this.#local.serves(subject)) this.#askHere(pending, subject, message)
    else this.#askOthers(pending, subject, message, false)
    return pending.promise
  }

  async serve(subject: Subject, handler: ServeHandler): Promise<BusSubscription> {
    this.#requireOpen(subject)
    const responder = new NatsResponder({
      subject,
      handler,
      clock: this.#settings.clock,
      limits: this.#limits,
      maxRequests: this.#settings.maxRequests,
      maxBytes: 2 * this.#settings.maxMessageBytes,
      reply: (to, message) => this.#reply(subject, to, message),
      refuse: (to, text) => this.#refuse(to, text),
    })
    const removeLocal = this.#local.addHandler(subject, handler)
    try {
      const subscription = await this.#subscribe(subject, (message) => responder.receive(message))
      this.#responders.set(responder, subscription)
      return { close: () => this.#stopServing(responder, removeLocal) }
    } catch (error) {
      removeLocal()
      throw error
    }
  }

  publish(subject: Subject, message: BusMessage): void {
    if (this.#state === 'closed') return
    this.#local.tell(subject, message)
    if (!this.#link.healthy) return this.#drop(subject, 'disconnected')
    const frames = this.#frames(frameKind.publication, message)
    if (typeof frames === 'string') return this.#drop(subject, frames)
    const outcome = this.#link.send(subject, frames)
    if (outcome !== 'sent') this.#drop(subject, outcome)
  }

  async subscribe(subject: Subject, listener: Listener): Promise<BusSubscription> {
    this.#requireOpen(subject)
    const removeLocal = this.#local.addListener(subject, listener)
    try {
      const hear = this.#publications.listener(subject, listener)
      const subscription = await this.#subscribe(subject, hear)
      return {
        close: () => {
          removeLocal()
          return subscription.close()
        },
      }
    } catch (error) {
      removeLocal()
      throw error
    }
  }

  /** Stops serving, waits for what is under way (at most `drainMs`), then closes the connection. Idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state !== 'open') return
    this.#state = 'closing'
    const { clock, drainMs } = this.#settings
    const responders = [...this.#responders]
    this.#local.clear()
    await Promise.all(responders.map(([, subscription]) => subscription.close()))
    const drained = Promise.all([...responders.map(([responder]) => responder.idle()), ...this.#askedHere])
    await atMost(clock, drainMs, Promise.race([drained, this.#over.promise]))
    this.#state = 'closed'
    await this.#link.flush()
    await this.#link.close()
    this.#requests.failAll('the bus is closed')
    this.#publications.clear()
  }

  #cut(): void {
    this.#over.resolve()
    this.#link.cut('the process ends')
  }

  #askHere(pending: PendingReply, subject: Subject, message: BusMessage): void {
    const deadline = new Deadline(this.#settings.clock, pending.remainingMs)
    pending.onSettled((failure) => {
      if (failure?.kind === 'aborted' || failure?.kind === 'timeout') deadline.cancel()
      else deadline.release()
    })
    const asked = this.#local.ask(subject, message, deadline).then(
      (reply) => {
        if (reply !== undefined) return deadline.isOver ? undefined : pending.succeed(reply)
        // Nobody here has anything to say: the owner may be elsewhere.
        deadline.release()
        if (!pending.isSettled) this.#askOthers(pending, subject, message, true)
      },
      (error: unknown) => {
        const text = `${subject}: the handler threw ${failureText(error)}`
        pending.fail(new BusError('failed', text, { cause: error }))
      },
    )
    this.#askedHere.add(asked)
    void asked.finally(() => this.#askedHere.delete(asked))
  }

  #askOthers(pending: PendingReply, subject: Subject, message: BusMessage, silentHere: boolean): void {
    if (!this.#link.healthy) {
      return pending.fail(new BusError('disconnected', `${subject}: not connected to NATS`))
    }
    const frames = this.#requestFrames(pending, message)
    if (typeof frames === 'string') {
      return pending.fail(new BusError('failed', `${subject}: the request is ${frames}`))
    }
    const reply = this.#requests.add({
      subject,
      pending,
      silentHere,
      onAborted: (to) => this.#cancel(subject, to),
    })
    const outcome = this.#link.send(subject, frames, reply)
    if (outcome !== 'sent') pending.fail(new BusError('disconnected', `${subject}: NATS is ${outcome}`))
  }

  #requestFrames(pending: PendingReply, message: BusMessage): Buffer[] | DropReason {
    try {
      return this.#frames(frameKind.request, message, pending.remainingMs)
    } catch (error) {
      // A head that is no JSON. The caller learns it where it waits, not by a throw and a promise that nobody holds.
      reportBus({ kind: 'threw', adapter: 'nats', target: 'request', error })
      return 'malformed'
    }
  }

  #cancel(subject: Subject, reply: string): void {
    const head = { kind: frameKind.cancel, timeoutMs: 0, sender: this.#sender, stream: 0 }
    this.#link.send(subject, [singleFrame(head)], reply)
  }

  #reply(subject: Subject, to: string, message: BusMessage): void {
    const frames = this.#frames(frameKind.reply, message)
    if (typeof frames === 'string') {
      this.#drop(subject, frames)
      return this.#refuse(to, `the reply is ${frames}`)
    }
    const outcome = this.#link.send(to, frames)
    if (outcome === 'disconnected' && this.#late.keep(to, frames)) return
    if (outcome !== 'sent') this.#drop(subject, outcome)
  }

  #sendLate(): void {
    for (const { to, frames } of this.#late.take()) this.#link.send(to, frames)
  }

  #refuse(to: string, text: string): void {
    const head = { kind: frameKind.failure, timeoutMs: 0, sender: this.#sender, stream: 0 }
    const frames = [singleFrame(head, text)]
    if (this.#link.send(to, frames) === 'disconnected') this.#late.keep(to, frames)
  }

  /** A message as frames for the present server, or why it cannot be sent. */
  #frames(kind: FrameKind, message: BusMessage, timeoutMs = 0): Buffer[] | DropReason {
    const bytes = encodeMessage(message, frameHeaderBytes)
    if (bytes.length - frameHeaderBytes > this.#settings.maxMessageBytes) return 'oversized'
    this.#stream = (this.#stream + 1) % 0x1_0000_0000
    const head = { kind, timeoutMs, sender: this.#sender, stream: this.#stream }
    return toFrames(head, bytes, this.#link.maxFrameBytes) ?? 'oversized'
  }

  async #subscribe(subject: Subject, onMessage: (message: NatsMessage) => void): Promise<LinkSubscription> {
    try {
      return await this.#link.subscribe(subject, onMessage)
    } catch (error) {
      throw new BusError('failed', `${subject}: NATS refuses the subscription`, { cause: error })
    }
  }

  async #stopServing(responder: NatsResponder, removeLocal: () => void): Promise<void> {
    removeLocal()
    await this.#responders.get(responder)?.close()
    void responder.idle().then(() => this.#responders.delete(responder))
  }

  #forgetConnection(): void {
    this.#requests.failAll('the connection to NATS is lost', this.#link.silentMs)
    this.#publications.clear()
    for (const responder of this.#responders.keys()) responder.forgetPartials()
  }

  #requireOpen(subject: Subject): void {
    if (this.#state !== 'open') throw new BusError('disconnected', `${subject}: the bus is closed`)
  }

  #drop(subject: Subject, reason: DropReason): void {
    reportBus({ kind: 'dropped', adapter: 'nats', target: targetOf(subject), reason })
  }
}
