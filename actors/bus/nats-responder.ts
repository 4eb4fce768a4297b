/**
 * Serves one subject over NATS. Requests under way are bounded in number and bytes; one too many is refused with a failure,
 * so that its caller learns it now and this process needs no memory for it.
 */

import { Assembler, type AssemblerLimits } from './assembler.ts'
import type { BusMessage } from './bus.ts'
import { CodecError, decodeMessage } from './codec.ts'
import { Deadline } from './deadline.ts'
import { type DropReason, reportBus, targetOf } from './events.ts'
import { type Frame, frameKind, readFrame } from './frame.ts'
import { failureText, type ServeHandler } from './local.ts'
import type { NatsMessage } from './nats-client.ts'
import type { Subject } from './subjects.ts'
import type { Clock } from '../runtime/clock.ts'

export interface ResponderOptions {
  readonly subject: Subject
  readonly handler: ServeHandler
  readonly clock: Clock
  readonly limits: AssemblerLimits
  /** Most requests under way. */
  readonly maxRequests: number
  /** Most bytes of requests under way. */
  readonly maxBytes: number
  readonly reply: (to: string, message: BusMessage) => void
  readonly refuse: (to: string, text: string) => void
}

export class NatsResponder {
  readonly #options: ResponderOptions
  readonly #assembler: Assembler
  /** By the subject of the reply, which is unique to a request. */
  readonly #running = new Map<string, Deadline>()
  #bytes = 0
  #idle = Promise.withResolvers<void>()

  constructor(options: ResponderOptions) {
    this.#options = options
    this.#assembler = new Assembler(options.clock, options.limits)
  }

  /** Requests that were taken and are not answered yet. */
  get running(): number {
    return this.#running.size
  }

  /** Resolves when no request is under way. */
  idle(): Promise<void> {
    return this.#running.size === 0 ? Promise.resolve() : this.#idle.promise
  }

  /** Forgets incomplete requests, whose other parts will not come. */
  forgetPartials(): void {
    this.#assembler.clear()
  }

  receive(message: NatsMessage): void {
    const replyTo = message.reply
    // Without a place for the answer it is no request; a foreign program is at work.
    if (replyTo === undefined || replyTo === '') return this.#drop('malformed')
    try {
      this.#receiveFrame(replyTo, readFrame(message.data))
    } catch (error) {
      if (!(error instanceof CodecError)) throw error
      this.#refuse(replyTo, 'malformed')
    }
  }

  #receiveFrame(replyTo: string, frame: Frame): void {
    if (frame.kind === frameKind.cancel) {
      this.#assembler.forget(replyTo)
      this.#running.get(replyTo)?.cancel()
      return
    }
    if (frame.kind !== frameKind.request) throw new CodecError(`frame of kind ${frame.kind} as a request`)
    const assembled = this.#assembler.accept(replyTo, frame, frame.timeoutMs)
    switch (assembled.state) {
      case 'whole':
        return this.#start(replyTo, assembled.bytes, frame.timeoutMs)
      case 'broken':
        return this.#refuse(replyTo, assembled.reason)
      case 'partial':
        return
      case 'stray':
        // We began to listen in the middle of it, or it was refused before.
        return
    }
  }

  #start(replyTo: string, bytes: Uint8Array, timeoutMs: number): void {
    const { clock, maxRequests, maxBytes } = this.#options
    if (this.#running.size >= maxRequests || this.#bytes + bytes.length > maxBytes) {
      return this.#refuse(replyTo, 'overloaded')
    }
    const request = decodeMessage(bytes)
    const deadline = new Deadline(clock, timeoutMs)
    if (this.#running.size === 0) this.#idle = Promise.withResolvers()
    this.#running.set(replyTo, deadline)
    this.#bytes += bytes.length
    void this.#run(replyTo, request, deadline).finally(() => {
      deadline.release()
      this.#running.delete(replyTo)
      this.#bytes -= bytes.length
      if (this.#running.size === 0) this.#idle.resolve()
    })
  }

  async #run(replyTo: string, request: BusMessage, deadline: Deadline): Promise<void> {
    const { subject, handler, reply, refuse } = this.#options
    try {
      const answer = await handler(request, deadline)
      if (answer === undefined) return
      if (deadline.isOver) this.#drop('late')
      else reply(replyTo, answer)
    } catch (error) {
      reportBus({ kind: 'threw', adapter: 'nats', target: targetOf(subject), error })
      refuse(replyTo, `the handler threw ${failureText(error)}`)
    }
  }

  #refuse(replyTo: string, reason: DropReason): void {
    this.#drop(reason)
    this.#options.refuse(replyTo, `the request is ${reason}`)
  }

  #drop(reason: DropReason): void {
    reportBus({ kind: 'dropped', adapter: 'nats', target: targetOf(this.#options.subject), reason })
  }
}
