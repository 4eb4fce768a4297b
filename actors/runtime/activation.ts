/**
 * An actor in memory. Its states, and the only ways between them:
 *
 *   loading ──► active ──► draining ──► gone
 *      └──────────┴────────────────────► gone
 *
 * - loading:  Postgres is being read; requests wait in the mailbox. If it fails, they are answered and nothing is kept.
 * - active:   turns run one at a time; interleaved requests run beside them.
 * - draining: no request is taken any more; the last turn ends, `passivate` may decide last writes, and they become durable.
 * - gone:     in good order, or discarded because a turn threw, a commit failed, or the shard is another host's.
 *
 * Replies: an answer is released when the latest decision at the end of its turn is durable, and only while this host's lease is valid.
 * An activation that is gone may still have decisions on their way; its successor loads after the last of them is settled.
 *
 * A turn that does not end (`turn-watch.ts`) is told, and in the end its activation is discarded without it.
 */

import { MatrixError } from '#protocol/errors.ts'
import { selfCall, type Call } from './call.ts'
import { ActivationContext } from './context.ts'
import type { AnyActor, AnyDefinition, Decision } from './contract.ts'
import { PendingDecision } from './decision.ts'
import { reportActivation } from './events.ts'
import { ContentRefused, Discarded, type CommitFailed } from './failures.ts'
import { HeldReplies } from './held-replies.ts'
import type { Lane } from './lane.ts'
import { Mailbox } from './mailbox.ts'
import type { ActivationServices } from './services.ts'
import type { TurnHolder } from './turn-watch.ts'

export type ActivationState = 'loading' | 'active' | 'draining' | 'gone'

const legal: Record<ActivationState, readonly ActivationState[]> = {
  loading: ['active', 'gone'],
  active: ['draining', 'gone'],
  draining: ['gone'],
  gone: [],
}

/** So many decisions of one actor may be on their way; then its requests wait, and in the end are refused. */
const maxUnsettled = 1000

export interface ActivationOptions {
  readonly definition: AnyDefinition
  readonly key: string
  readonly lane: Lane
  readonly services: ActivationServices
  /** The one before, whose decisions must be settled before this one reads. */
  readonly predecessor: Activation | undefined
  /** Called once, when it is gone and nothing of it is on its way. */
  readonly onEnd: (activation: Activation) => void
}

export class Activation implements TurnHolder {
  readonly key: string
  readonly lane: Lane
  readonly definition: AnyDefinition
  readonly services: ActivationServices
  /** Monotonic milliseconds of the last request. */
  usedAtMs: number
  readonly #onEnd: (activation: Activation) => void
  readonly #mailbox: Mailbox
  readonly #held = new HeldReplies()
  readonly #interleaved = new Set<Call>()
  readonly #abort = new AbortController()
  readonly #ended = Promise.withResolvers<void>()
  #state: ActivationState = 'loading'
  #actor: AnyActor | undefined
  /** The request whose turn it is. */
  #current: Call | undefined
  /** Numbers of the latest decision, and of the latest one that is durable. */
  #decided = 0
  #durable = 0
  #unsettled = 0
  /** What the one before has decided is on its way to the database. */
  #waitsForPredecessor = false
  /** Requests of which it is being found out whether they or the database are to blame: nothing else answers them. */
  #accused: Set<Call> | undefined
  /** Gone, and nothing on its way. */
  #over = false

  constructor(options: ActivationOptions) {
    this.key = options.key
    this.lane = options.lane
    this.definition = options.definition
    this.services = options.services
    this.usedAtMs = options.services.clock.monotonic()
    this.#onEnd = options.onEnd
    this.#mailbox = new Mailbox(options.definition.kind, options.definition.mailboxLimit)
    this.#report('loading')
    void this.#load(options.predecessor)
  }

  get state(): ActivationState {
    return this.#state
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** Requests that wait for their turn. */
  get waiting(): number {
    return this.#mailbox.size
  }

  /** Resolves when it is gone and nothing of it is on its way to the database. */
  get ended(): Promise<void> {
    return this.#ended.promise
  }

  /** True when nothing is under way and the actor itself does not mind. */
  get mayRest(): boolean {
    if (this.#state !== 'active' || this.#actor === undefined) return false
    if (this.#current !== undefined || this.#mailbox.size > 0 || this.#interleaved.size > 0) return false
    return this.#unsettled === 0 && this.#actor.mayPassivate
  }

  /** Takes a request on; the call is ended in one of its three ways, sooner or later. */
  deliver(call: Call): void {
    this.usedAtMs = this.services.clock.monotonic()
    if (this.#state === 'draining' || this.#state === 'gone') return call.again('the activation has ended')
    if (this.#state === 'active') {
      if (this.definition.interleaved.has(call.request.kind)) return this.#runBeside(call)
      if (this.#mayStart && this.#mailbox.size === 0) {
        if (this.#turn(call)) this.#pump()
        return
      }
    }
    if (this.#unsettled > 0 && this.services.isStalled(this.lane)) call.refuse(noCommit())
    else if (!this.#mailbox.offer(call)) call.refuse(tooMany())
  }

  /** A message of the actor to itself, handled after whatever runs now. */
  enqueue(request: Call['request']): void {
    if (this.#state === 'draining' || this.#state === 'gone') return
    this.#mailbox.offer(selfCall(request), true)
    queueMicrotask(() => this.#pump())
  }

  /** See `ActorContext.decide`. Throws {@link Discarded} when the activation is gone. */
  decide(decision: Decision): Promise<void> {
    if (this.#state === 'gone') throw new Discarded(`${this.definition.kind} ${this.key} is gone`)
    this.#unsettled++
    const pending = new PendingDecision(this, decision, { number: ++this.#decided, call: this.#current })
    this.services.submit(pending)
    return pending.promise
  }

  /** See `ActorContext.afterCommit`. */
  afterCommit(run: () => void): void {
    if (this.#state === 'gone') return
    const follow = (): void => {
      if (this.#state !== 'gone') run()
    }
    if (this.#durable === this.#decided) queueMicrotask(() => this.#follow(follow))
    else this.#held.add(this.#decided, { durable: follow, lost: () => {} })
  }

  /** Puts it to sleep in good order. Resolves when it is gone and nothing is on its way. */
  passivate(): Promise<void> {
    if (this.#state === 'active') {
      this.#enter('draining')
      for (const call of this.#mailbox.takeAll()) call.again('the actor is moving')
      this.#endInterleaved('the actor is moving')
      if (this.#current === undefined) this.#rest()
    } else if (this.#state === 'loading') this.discard('the actor is moving')
    return this.ended
  }

  /** Ends it at once. What it decided before may still become durable, and is answered then. */
  discard(why: string, error?: unknown): void {
    if (this.#state === 'gone') return
    if (error !== undefined) this.#report('discarded', error)
    this.#enter('gone')
    this.#abort.abort(new Discarded(why))
    for (const call of this.#mailbox.takeAll()) call.again(why)
    this.#endInterleaved(why)
    if (this.#current !== undefined) this.#again(this.#current, why)
    this.#end()
  }

  /**
   * Nobody knows when what was decided here can be committed. Whoever waits for that is told to try again: what he asked for may still be
   * done, and then the repetition finds it done.
   */
  commitsStall(): void {
    if (this.#unsettled === 0 && !this.#waitsForPredecessor) return
    this.#held.stalled()
    // The turn under way may wait for a commit, too, and everybody behind it with it.
    this.#current?.refuse(noCommit())
    for (const call of this.#mailbox.all()) call.refuse(noCommit())
  }

  /** For `PendingDecision`: the fate of a decision is known. Decisions are settled in their order. */
  settled(pending: PendingDecision, failure: CommitFailed | undefined): void {
    this.#unsettled--
    if (failure === undefined) {
      this.#durable = pending.number
      this.#held.release(pending.number, (error) => this.#afterCommitFailed(error))
      if (this.#unsettled === maxUnsettled - 1) queueMicrotask(() => this.#pump())
    } else this.#lost(pending, failure)
    this.#end()
  }

  /** For `TurnWatch`: tells of a turn that lasts, by the kind of its request alone. */
  turnLasts(): void {
    const { kind } = this.definition
    const request = this.#current?.request.kind ?? ''
    reportActivation({ kind, key: this.key, what: 'stuck', request })
  }

  /**
   * For `TurnWatch`: ends the activation without its turn. Nothing that the turn still does counts: being gone, the activation takes no decision,
   * no message to itself and no answer, so that a successor may load before the turn ends.
   */
  abandonTurn(ms: number): void {
    const call = this.#current
    if (call === undefined) return
    if (this.#state !== 'gone') {
      this.#accuse([call])
      this.discard(
        'a turn did not end',
        new Error(`the turn of ${call.request.kind} did not end in ${ms} ms`),
      )
    }
    this.#current = undefined
    this.#end()
  }

  async #load(predecessor: Activation | undefined): Promise<void> {
    const context = new ActivationContext(this)
    try {
      if (predecessor !== undefined) {
        this.#waitsForPredecessor = true
        await predecessor.ended
        this.#waitsForPredecessor = false
      }
      if (this.#state !== 'loading') return
      const actor = await this.definition.load(context)
      if (this.#state !== 'loading') return
      this.#actor = actor
      this.#enter('active')
      this.#pump()
    } catch (error) {
      this.#loadFailed(error)
    }
  }

  #loadFailed(error: unknown): void {
    if (this.#state !== 'loading') return
    const expected = error instanceof MatrixError
    if (!expected) this.#report('load-failed', error)
    const calls = this.#mailbox.takeAll()
    // Gone before anybody is answered, so that whoever asks again at once meets a fresh activation.
    this.discard('it could not be loaded')
    if (expected) for (const call of calls) call.refuse(error)
    else if (this.services.isWeather(error))
      for (const call of calls) call.again('the database did not answer')
    else this.#accuse(calls)
  }

  get #mayStart(): boolean {
    return this.#state === 'active' && this.#current === undefined && this.#unsettled < maxUnsettled
  }

  /** Runs turns while there are some; returns when one waits for something, which then goes on here. */
  #pump(): void {
    while (this.#mayStart) {
      const call = this.#mailbox.take()
      if (call === undefined) return
      if (this.definition.interleaved.has(call.request.kind)) this.#runBeside(call)
      else if (!this.#turn(call)) return
    }
  }

  /** One turn. False when it goes on asynchronously. */
  #turn(call: Call): boolean {
    const actor = this.#actor
    if (actor === undefined) throw new Error('activation.turn_without_actor')
    this.#current = call
    let result: unknown
    try {
      result = actor.handle(call.request, call.caller)
    } catch (error) {
      this.#threw(call, error)
      this.#turnOver()
      return true
    }
    if (!isPromise(result)) {
      this.#answer(call, result)
      this.#turnOver()
      return true
    }
    this.services.turns.begin(this)
    void result.then(
      (value) => {
        this.services.turns.end(this)
        this.#answer(call, value)
        this.#turnOver()
        this.#pump()
      },
      (error: unknown) => {
        this.services.turns.end(this)
        this.#threw(call, error)
        this.#turnOver()
        this.#pump()
      },
    )
    return false
  }

  #turnOver(): void {
    this.#current = undefined
    if (this.#state === 'draining') this.#rest()
    else if (this.#state === 'gone') this.#end()
  }

  #runBeside(call: Call): void {
    const actor = this.#actor
    if (actor === undefined) throw new Error('activation.turn_without_actor')
    if (this.#interleaved.size >= this.definition.mailboxLimit) return call.refuse(tooMany())
    this.#interleaved.add(call)
    // A handler that throws before its first await is treated as one that rejects.
    void (async () => actor.handle(call.request, call.caller))().then(
      (value) => {
        if (this.#interleaved.delete(call)) this.#answer(call, value)
      },
      (error: unknown) => {
        if (this.#interleaved.delete(call)) this.#threw(call, error)
      },
    )
  }

  #endInterleaved(why: string): void {
    const calls = [...this.#interleaved]
    this.#interleaved.clear()
    for (const call of calls) this.#again(call, why)
  }

  /** Answers, or holds the answer until what it rests on is durable. */
  #answer(call: Call, value: unknown): void {
    if (this.#durable === this.#decided) this.#release(call, value)
    else this.#hold(call, () => this.#release(call, value))
  }

  #release(call: Call, value: unknown): void {
    if (this.services.leaseValid()) call.reply(value)
    else call.again('the lease is not certain')
  }

  #hold(call: Call, durable: () => void): void {
    if (this.services.isStalled(this.lane)) return call.refuse(noCommit())
    this.#held.add(this.#decided, {
      durable,
      lost: () => this.#again(call, 'the decision was not committed'),
      stalled: () => call.refuse(noCommit()),
    })
  }

  #threw(call: Call, error: unknown): void {
    if (error instanceof MatrixError) {
      if (this.#durable === this.#decided) this.#refuse(call, error)
      else this.#hold(call, () => this.#refuse(call, error))
      return
    }
    if (this.#state === 'gone') return this.#again(call, 'the activation has ended')
    const weather = error instanceof Discarded || this.services.isWeather(error)
    if (!weather) this.#accuse([call])
    this.discard('a turn failed', error)
    if (weather) call.again('the database did not answer')
  }

  #refuse(call: Call, error: MatrixError): void {
    if (this.services.leaseValid()) call.refuse(error)
    else call.again('the lease is not certain')
  }

  /**
   * These requests have ended the activation, or would have. Unless the database has gone back, of which nobody here may know yet and which makes
   * rows disappear that others refer to, it is counted as a kill, and who asked gets a clean error.
   */
  #accuse(calls: readonly Call[]): void {
    this.#accused ??= new Set()
    for (const call of calls) this.#accused.add(call)
    void this.#isToBlame().then((guilty) => {
      for (const call of calls) {
        if (guilty) this.#killed(call)
        else call.again('the database has gone back')
      }
    })
  }

  async #isToBlame(): Promise<boolean> {
    try {
      return await this.services.bearsOut(this.lane)
    } catch {
      // Then nobody can be asked, and whoever asks again will find out.
      return false
    }
  }

  #killed(call: Call): void {
    const { kind } = this.definition
    if (this.services.poison.record(kind, this.key, call.request)) this.#report('parked')
    call.refuse(new MatrixError('M_UNKNOWN', 'Internal server error'))
  }

  /** Sends who asked to ask again, unless his request is looked at. */
  #again(call: Call, why: string): void {
    if (this.#accused?.has(call) !== true) call.again(why)
  }

  #lost(pending: PendingDecision, failure: CommitFailed): void {
    if (failure instanceof ContentRefused && pending.call !== undefined) this.#accuse([pending.call])
    // Gone before the callers are told, so that whoever asks again at once meets a fresh activation.
    this.discard(failure.message, failure)
    this.#held.lose(pending.number)
  }

  #rest(): void {
    try {
      this.#actor?.passivate?.()
    } catch (error) {
      this.discard('passivate failed', error)
      return
    }
    this.#end()
  }

  /** Reaches the end when nothing is on its way any more. */
  #end(): void {
    if (this.#unsettled > 0 || this.#current !== undefined) return
    if (this.#state === 'draining') {
      this.#enter('gone')
      this.#abort.abort(new Discarded('the actor has been put to sleep'))
    }
    if (this.#state !== 'gone' || this.#over) return
    this.#over = true
    this.#ended.resolve()
    this.#onEnd(this)
  }

  #follow(run: () => void): void {
    try {
      run()
    } catch (error) {
      this.#afterCommitFailed(error)
    }
  }

  #afterCommitFailed(error: unknown): void {
    this.discard('what follows from a commit failed', error)
  }

  #enter(state: ActivationState): void {
    if (!legal[this.#state].includes(state)) throw new Error(`activation.${this.#state}_to_${state}`)
    this.#state = state
    this.#report(state)
  }

  #report(what: Parameters<typeof reportActivation>[0]['what'], error?: unknown): void {
    const event = { kind: this.definition.kind, key: this.key, what }
    reportActivation(error === undefined ? event : { ...event, error })
  }
}

function isPromise(value: unknown): value is Promise<unknown> {
  return (
    typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
  )
}

function noCommit(): MatrixError {
  return new MatrixError('M_UNKNOWN', 'The database does not answer in time; try again.', {
    status: 503,
    extra: { retry_after_ms: 1000 },
  })
}

function tooMany(): MatrixError {
  return new MatrixError('M_LIMIT_EXCEEDED', 'Too many requests are waiting here; try again in a moment.', {
    extra: { retry_after_ms: 1000 },
  })
}
