/** What arrives over NATS for the listeners of this process. */

import { Assembler, type AssemblerLimits } from './assembler.ts'
import { CodecError, decodeMessage } from './codec.ts'
import { type DropReason, reportBus, targetOf } from './events.ts'
import { frameKind, readFrame } from './frame.ts'
import type { Listener } from './local.ts'
import type { NatsMessage } from './nats-client.ts'
import type { Subject } from './subjects.ts'
import type { BusMessage } from './bus.ts'
import type { Clock } from '../runtime/clock.ts'

/** How long the parts of a large publication may take to arrive. */
const keepMs = 10_000

export class NatsPublications {
  readonly #assembler: Assembler
  #listeners = 0

  constructor(clock: Clock, limits: AssemblerLimits) {
    this.#assembler = new Assembler(clock, limits)
  }

  /**
   * What a subscription on `subject` calls for each message. Listeners run at once and are not queued: while they are busy the
   * socket is not read, and a process that stays behind is cut off by the server.
   */
  listener(subject: Subject, listener: Listener): (message: NatsMessage) => void {
    this.#listeners += 1
    const key = String(this.#listeners)
    return (message) => {
      try {
        const publication = this.#receive(subject, key, message.data)
        if (publication !== undefined) call(subject, listener, publication)
      } catch (error) {
        if (!(error instanceof CodecError)) throw error
        drop(subject, 'malformed')
      }
    }
  }

  /** Forgets incomplete publications, whose other parts will not come. */
  clear(): void {
    this.#assembler.clear()
  }

  #receive(subject: Subject, key: string, bytes: Uint8Array): BusMessage | undefined {
    const frame = readFrame(bytes)
    if (frame.kind !== frameKind.publication) throw new CodecError('not a publication')
    const stream = `${key}.${frame.sender}.${frame.stream}`
    const assembled = this.#assembler.accept(stream, frame, keepMs)
    if (assembled.state === 'broken') drop(subject, assembled.reason)
    return assembled.state === 'whole' ? decodeMessage(assembled.bytes) : undefined
  }
}

function call(subject: Subject, listener: Listener, message: BusMessage): void {
  try {
    listener(message)
  } catch (error) {
    reportBus({ kind: 'threw', adapter: 'nats', target: targetOf(subject), error })
  }
}

function drop(subject: Subject, reason: DropReason): void {
  reportBus({ kind: 'dropped', adapter: 'nats', target: targetOf(subject), reason })
}
