/** One question, from the call of `ask` to its answer, through as many attempts as it takes. */

import { MatrixError } from '#protocol/errors.ts'
import type { JsonObject, JsonValue } from '#protocol/json/types.ts'
import { BusError, type Bus, type BusMessage } from '../bus/bus.ts'
import { actorSubject, type ActorKind } from '../bus/subjects.ts'
import type { Call, LocalActors } from './call.ts'
import type { Caller } from './contract.ts'
import type { Clock, Random } from './clock.ts'
import type { DeadlineSet, Expiring } from './deadline-set.ts'
import type { Directory } from './directory.ts'
import { parseReply, replyValue } from './wire.ts'

export interface AskEnvironment {
  readonly bus: Bus
  readonly clock: Clock
  readonly random: Random
  readonly directory: Directory
  readonly local?: LocalActors
  readonly deadlines: DeadlineSet
  /** As in `kind-versions.ts`. */
  readonly kindsSince: Readonly<Record<string, string>>
}

export interface Question {
  readonly actor: ActorKind
  readonly key: string
  readonly shard: number
  readonly request: Call['request']
  readonly traceId: string
  /** Monotonic milliseconds. */
  readonly deadlineMs: number
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
}

/** One for all, for an abort without a reason makes an error with its stack each time. */
const nobodyWaits = new DOMException('Nobody waits for the answer any more', 'AbortError')

const attemptIsVoid = new DOMException('The shard has a new epoch, or its replies were lost', 'AbortError')

const maxBackoffMs = 250
/** The bus may lose a request without a word. A question that may take longer than `patientMs` is a long poll: it is waited for as a whole. */
const attemptMs = 3000
const patientMs = 10_000
/** So long without any connection to the bus or to Postgres, and whoever asks is told rather than kept: a restart of either takes less. */
const cutOffMs = 3000
/** Of that as much as this may lie before the connection was given up, when the bus was silent already; a new one is made in less than the rest. */
const silenceMs = 1500
/** Who has waited so long, with a connection in between, is told as soon as there is none: a refusal comes within five seconds. */
const wholeMs = 4500

export class Ask implements Expiring {
  readonly question: Question
  readonly #environment: AskEnvironment
  readonly #answer = Promise.withResolvers<unknown>()
  #attempts = 0
  #over = false
  /** Ends what the present attempt waits for, without ending the question. */
  #attempt: LocalAttempt | AbortController | undefined
  #cancelPause: (() => void) | undefined
  /** Since when every attempt has failed for want of a connection to the bus. */
  #cutOffSinceMs: number | undefined

  constructor(environment: AskEnvironment, question: Question) {
    this.#environment = environment
    this.question = question
  }

  get deadlineMs(): number {
    return this.question.deadlineMs
  }

  start(): Promise<unknown> {
    const { signal } = this.question
    if (signal?.aborted) this.#end(() => this.#answer.reject(signal.reason))
    else {
      signal?.addEventListener('abort', this.#onAbort, { once: true })
      this.#try()
      if (!this.#over) this.#environment.deadlines.add(this)
    }
    return this.#answer.promise
  }

  reply(value: unknown): void {
    this.#end(() => this.#answer.resolve(value))
  }

  refuse(error: unknown): void {
    this.#end(() => this.#answer.reject(error))
  }

  /**
   * The present attempt came to nothing; tries again after a moment, or at once when the shard gets a new epoch. Without Postgres nobody can
   * get a shard, and what is refused before it is back is refused soon.
   */
  again(): void {
    if (this.#over) return
    this.#attempt = undefined
    const { clock, random, directory } = this.#environment
    if (directory.blindMs >= cutOffMs) return this.expire()
    const waitMs = Math.min(maxBackoffMs, 4 * 2 ** this.#attempts++) * (0.5 + random.fraction() / 2)
    const go = (): void => {
      this.#cancelPause?.()
      this.#cancelPause = undefined
      this.#try()
    }
    const timer = clock.after(waitMs, go)
    const unwatch = directory.watch(this.question.shard, go)
    this.#cancelPause = () => {
      timer.cancel()
      unwatch()
    }
  }

  expire(): void {
    const message = 'No host answered in time; try again.'
    this.refuse(new MatrixError('M_UNKNOWN', message, { status: 503, extra: { retry_after_ms: 1000 } }))
  }

  #try(): void {
    if (this.#over) return
    const { local } = this.#environment
    if (local !== undefined) {
      const attempt = new LocalAttempt(this)
      this.#attempt = attempt
      const { actor, key, shard } = this.question
      if (local.deliver({ kind: actor, key, shard }, attempt)) return
    }
    void this.#askBus()
  }

  /**
   * One request over the bus. It is given up when the shard gets a newer epoch, for then nobody may answer it any more, when the owner of
   * this epoch has only now begun to serve it, and when replies of its owner were lost, for this may have been one.
   */
  async #askBus(): Promise<void> {
    const { bus, directory, clock } = this.#environment
    const { actor, shard, timeoutMs } = this.question
    const remainingMs = this.deadlineMs - clock.monotonic()
    if (remainingMs <= 0) return this.expire()
    if (!this.#isUnderstood()) return this.refuse(tooNew())
    const epoch = directory.epochOf(shard)
    const askedAtMs = clock.monotonic()
    const abort = new AbortController()
    this.#attempt = abort
    const unwatch = directory.watch(shard, (news) => {
      if (news !== 'epoch' || directory.epochOf(shard) > epoch) abort.abort(attemptIsVoid)
    })
    const waitMs = timeoutMs > patientMs ? remainingMs : Math.min(remainingMs, attemptMs)
    try {
      const message = { head: this.#head(epoch, waitMs) }
      const options = { timeoutMs: waitMs, signal: abort.signal }
      this.#take(await bus.request(actorSubject(actor, shard), message, options))
    } catch (error) {
      if (!(error instanceof BusError)) this.refuse(error)
      else {
        if (error.kind === 'no-responders') this.#environment.local?.suspect(shard)
        if (error.kind !== 'aborted') directory.refresh()
        if (this.#isCutOff(error, askedAtMs)) this.expire()
        else this.again()
      }
    } finally {
      unwatch()
    }
  }

  #isCutOff({ kind, silentMs }: BusError, askedAtMs: number): boolean {
    if (kind === 'aborted') return false
    const nowMs = this.#environment.clock.monotonic()
    const lostAtMs = nowMs - Math.min(silentMs, silenceMs)
    // For so long there was one.
    if (lostAtMs - askedAtMs > maxBackoffMs) this.#cutOffSinceMs = undefined
    if (kind === 'disconnected') this.#cutOffSinceMs ??= lostAtMs
    else this.#cutOffSinceMs = undefined
    if (this.#cutOffSinceMs === undefined) return false
    const { deadlineMs, timeoutMs } = this.question
    const waitedMs = nowMs - (deadlineMs - timeoutMs)
    return nowMs - this.#cutOffSinceMs >= cutOffMs || (timeoutMs <= patientMs && waitedMs >= wholeMs)
  }

  #isUnderstood(): boolean {
    const { actor, request } = this.question
    const since = this.#environment.kindsSince[`${actor}.${request.kind}`]
    return since === undefined || this.#environment.directory.isEverywhere(since)
  }

  #head(epoch: number, timeoutMs: number): JsonObject {
    const { key, request, traceId } = this.question
    // Requests are plain data by contract.
    return { key, kind: request.kind, body: request.body as JsonValue, epoch, timeoutMs, traceId }
  }

  #take(message: BusMessage): void {
    const { directory } = this.#environment
    const reply = parseReply(message.head)
    if (reply === undefined) return this.again()
    const { shard } = this.question
    directory.raise(shard, reply.epoch)
    switch (reply.kind) {
      case 'ok':
        return this.reply(replyValue(reply, message))
      case 'error':
        return this.refuse(MatrixError.fromWire(reply.error))
      case 'retry':
        directory.refresh()
        return this.again()
    }
  }

  readonly #onAbort = (): void => {
    const { signal } = this.question
    this.#end(() => this.#answer.reject(signal?.reason))
  }

  #end(settle: () => void): void {
    if (this.#over) return
    this.#over = true
    this.#environment.deadlines.delete(this)
    this.question.signal?.removeEventListener('abort', this.#onAbort)
    this.#cancelPause?.()
    this.#attempt?.abort(nobodyWaits)
    settle()
  }
}

function tooNew(): MatrixError {
  const message = 'The server is being upgraded, and not every part of it can do this yet; try again.'
  return new MatrixError('M_UNKNOWN', message, { status: 503, extra: { retry_after_ms: 2000 } })
}

/** A call into an actor of this process. */
class LocalAttempt implements Call, Caller {
  readonly #ask: Ask
  #done = false
  #abort: AbortController | undefined

  constructor(ask: Ask) {
    this.#ask = ask
  }

  get request(): Call['request'] {
    return this.#ask.question.request
  }

  get caller(): Caller {
    return this
  }

  get traceId(): string {
    return this.#ask.question.traceId
  }

  /** Made only for an actor that looks at it. */
  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController()
      if (this.#done) this.#abort.abort(nobodyWaits)
    }
    return this.#abort.signal
  }

  /** Nobody waits any more. After a reply nobody is told so, for an abort makes an error with its stack. */
  abort(_why: unknown): void {
    if (this.#done) return
    this.#done = true
    this.#abort?.abort(nobodyWaits)
  }

  reply(value: unknown): void {
    if (this.#done) return
    this.#done = true
    this.#ask.reply(value)
  }

  refuse(error: unknown): void {
    if (this.#done) return
    this.#done = true
    this.#ask.refuse(error)
  }

  again(_why: string): void {
    if (this.#done) return
    this.#done = true
    this.#ask.again()
  }
}
