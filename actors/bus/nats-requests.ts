/** The requests of ours that wait for replies over NATS, with the one inbox in which all replies arrive. */

import { Assembler, type AssemblerLimits } from './assembler.ts'
import { BusError } from './bus.ts'
import { CodecError, decodeMessage } from './codec.ts'
import { type Frame, frameKind, readFrame } from './frame.ts'
import type { NatsMessage } from './nats-client.ts'
import type { PendingReply } from './pending-reply.ts'
import type { Subject } from './subjects.ts'
import type { Clock } from '../runtime/clock.ts'

export interface OutgoingRequest {
  readonly subject: Subject
  readonly pending: PendingReply
  /** This process serves the subject too and said nothing, so that nobody else being there is silence, not absence. */
  readonly silentHere: boolean
  /** Called when the caller gives up, with the subject to which the reply would go. */
  readonly onAborted: (reply: string) => void
}

interface Waiting extends OutgoingRequest {
  /** Replies of which some parts have arrived: two responders may send theirs at the same time. */
  readonly streams: Set<string>
}

export class NatsRequests {
  /** To subscribe to: `<inbox>.*`. */
  readonly inbox: string
  readonly #assembler: Assembler
  readonly #waiting = new Map<string, Waiting>()
  #count = 0

  constructor(inbox: string, clock: Clock, limits: AssemblerLimits) {
    this.inbox = inbox
    this.#assembler = new Assembler(clock, limits)
  }

  /** Requests that wait. */
  get size(): number {
    return this.#waiting.size
  }

  /** Registers a request; returns the subject to which its reply goes. */
  add(request: OutgoingRequest): string {
    const { subject, pending } = request
    this.#count += 1
    const token = this.#count.toString(36)
    const reply = `${this.inbox}.${token}`
    const waiting: Waiting = { ...request, streams: new Set() }
    this.#waiting.set(token, waiting)
    pending.onSettled((failure) => {
      this.#waiting.delete(token)
      for (const stream of waiting.streams) this.#assembler.forget(stream)
      if (failure?.kind === 'aborted') request.onAborted(reply)
    })
    pending.onExpiry(() =>
      waiting.streams.size === 0
        ? new BusError('timeout', `${subject}: no reply in time`)
        : new BusError('failed', `${subject}: the reply did not arrive whole in time`),
    )
    return reply
  }

  /** Takes what arrives in the inbox. What nobody waits for any more is ignored. */
  receive(message: NatsMessage): void {
    const token = message.subject.slice(this.inbox.length + 1)
    const waiting = this.#waiting.get(token)
    if (waiting === undefined) return
    if (message.data.length === 0 && message.headers?.code === 503) {
      if (waiting.silentHere) return
      return waiting.pending.fail(new BusError('no-responders', `${waiting.subject}: nobody serves it`))
    }
    try {
      this.#receiveFrame(token, waiting, readFrame(message.data))
    } catch (error) {
      if (!(error instanceof CodecError)) throw error
      waiting.pending.fail(
        new BusError('failed', `${waiting.subject}: the reply cannot be read`, { cause: error }),
      )
    }
  }

  /** The connection is lost, after so many milliseconds of silence: no reply of these will come. */
  failAll(why: string, silentMs = 0): void {
    for (const { subject, pending } of this.#waiting.values()) {
      pending.fail(new BusError('disconnected', `${subject}: ${why}`, { silentMs }))
    }
  }

  #receiveFrame(token: string, { subject, pending, streams }: Waiting, frame: Frame): void {
    if (frame.kind === frameKind.failure) {
      const text = Buffer.from(frame.chunk)
        .toString('latin1')
        .replaceAll(/[^ -~]/g, '?')
      return pending.fail(new BusError('failed', `${subject}: ${text.slice(0, 200)}`))
    }
    if (frame.kind !== frameKind.reply) throw new CodecError(`frame of kind ${frame.kind} in an inbox`)
    const stream = `${token}.${frame.sender}.${frame.stream}`
    const assembled = this.#assembler.accept(stream, frame, pending.remainingMs)
    switch (assembled.state) {
      case 'whole':
        return pending.succeed(decodeMessage(assembled.bytes))
      case 'partial':
        streams.add(stream)
        return
      case 'broken':
        return pending.fail(new BusError('failed', `${subject}: the reply is ${assembled.reason}`))
      case 'stray':
        // Its first part was sent to us before and is not here.
        return pending.fail(new BusError('failed', `${subject}: the reply is incomplete`))
    }
  }
}
