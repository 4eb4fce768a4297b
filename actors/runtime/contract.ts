/**
 * The actor contract. An actor is the one place in the cluster that decides about its key; it handles one message at a time
 * in synchronous turns, keeps its state in memory, and changes the database only by commits.
 *
 *   message ─► mailbox ─► turn: handle() ─► decide(writes) ─► committer ─► Postgres
 *                           │                                    │
 *                           └─ reply, held until the last ◄──────┘
 *                              decision it rests on is durable
 *
 * The runtime holds every answer (results, refusals, reads alike) until the actor's latest decision at the time of the
 * turn is committed. When a commit fails for good the activation is discarded: its callers get a retryable failure, and the next message
 * loads the actor afresh.
 */

import type { Reads } from '#storage/reads.ts'
import type { LogEntry } from '#storage/entry.ts'
import type { LogRef, Writes } from '#storage/writes.ts'
import type { ActorKind } from '../bus/subjects.ts'
import type { Asker } from './client.ts'
import type { Clock, Random } from './clock.ts'

/** Kinds of request of one kind of actor: name → what is asked and what comes back, both plain data. */
export type Messages = Record<string, { readonly request: unknown; readonly reply: unknown }>

/** A request as it reaches the actor: a discriminated union over the kinds. */
export type RequestOf<M extends Messages> = {
  [K in keyof M & string]: { readonly kind: K; readonly body: M[K]['request'] }
}[keyof M & string]

/** A large text that a reply carries beside its head, so that it is never parsed or escaped on the way. */
export interface ReplyWithBody {
  readonly head: unknown
  readonly body: string
}

export interface Decision {
  /** Rows to write; the same object that the actor filled. */
  readonly writes: Writes
  /**
   * The log entries that followers are told of, one per appended row in the same order, without what only the commit knows. An
   * entry that no follower needs may be absent (undefined).
   */
  readonly entries: readonly (PendingEntry | undefined)[]
}

/** A log entry before it has its place. */
export type PendingEntry = Omit<LogEntry, 'shard' | 'pos' | 'epoch'> & { readonly ref: LogRef }

/** What an activation can do. Given to the actor when it is made; everything that it may touch is here. */
export interface ActorContext {
  readonly kind: ActorKind
  readonly key: string
  readonly shard: number
  /** The epoch under which this host owns the shard. */
  readonly epoch: number
  readonly clock: Clock
  readonly random: Random
  /** Postgres; only in `load` and where a turn must fetch what it does not hold. */
  readonly reads: Reads
  /** Asks other actors. What is said must not rest on an uncommitted decision: use it inside `afterCommit` or `background`. */
  readonly ask: Asker
  /** Starts a set of rows for this actor's shard. */
  writes(): Writes
  /**
   * Hands a decision to the committer. The actor goes on at once as if it had happened. The promise resolves when it is durable and
   * rejects when the activation is discarded; it need not be awaited: the runtime holds replies by itself.
   */
  decide(decision: Decision): Promise<void>
  /** Runs when everything decided so far is durable; not at all if the activation is discarded. */
  afterCommit(run: () => void): void
  /** Work that nobody waits for. Failures are counted and reported under `name`. Aborted when the activation ends. */
  background(name: string, run: (signal: AbortSignal) => Promise<void>): void
  /** Aborted when the activation ends, for whatever reason. */
  readonly signal: AbortSignal
  /** Puts a message into this actor's own mailbox, e.g. from a timer. Its reply is thrown away. */
  enqueue(request: { readonly kind: string; readonly body: unknown }): void
  /** Told to clients that follow rooms but stored nowhere: typing. Goes to the hosts that follow the room `key`. */
  ephemeral(event: EphemeralEvent): void
}

/** What a room tells its followers without storing it. */
export interface EphemeralEvent {
  readonly roomId: string
  readonly type: 'm.typing'
  readonly userIds: readonly string[]
}

/** What the runtime drives. One class per kind of actor. */
export interface Actor<M extends Messages> {
  /**
   * One turn. May be asynchronous only to load what is missing from Postgres; the mailbox waits for it. Throws `MatrixError` for what is
   * expected; anything else is our bug and discards the activation.
   */
  handle(request: RequestOf<M>, caller: Caller): unknown
  /** Asked when the actor has been idle: false keeps it (a sync is waiting, somebody is typing). */
  readonly mayPassivate: boolean
  /** Called once, when the activation ends in good order; may decide last writes. */
  passivate?(): void
}

/** Where a request comes from, for logs and deadlines. */
export interface Caller {
  readonly traceId: string
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal
}

/** A kind of actor: how an activation is loaded, and which requests may run beside each other. */
export interface ActorDefinition<M extends Messages> {
  readonly kind: ActorKind
  /** Loads an activation from Postgres. Throws `MatrixError` where there can be none; nothing is cached then. */
  load(context: ActorContext): Promise<Actor<M>>
  /**
   * Kinds that do not take the actor's turn: they start at once, run beside turns, and must look at the actor's state
   * again after every await (long polls). Their replies are held like all others.
   */
  readonly interleaved: ReadonlySet<keyof M & string>
  /** At most so many requests wait in one mailbox; the next is refused with M_LIMIT_EXCEEDED. */
  readonly mailboxLimit: number
  /** Idle time after which an activation may be put to sleep, milliseconds. */
  readonly idleMs: number
}

/** An actor as the runtime drives it: what its requests are is known to the actor alone. */
export interface AnyActor {
  handle(request: { readonly kind: string; readonly body: unknown }, caller: Caller): unknown
  readonly mayPassivate: boolean
  passivate?(): void
}

/** Any {@link ActorDefinition}. Its methods are compared loosely, since a request reaches only the kind it is meant for. */
export interface AnyDefinition {
  readonly kind: ActorKind
  load(context: ActorContext): Promise<AnyActor>
  readonly interleaved: ReadonlySet<string>
  readonly mailboxLimit: number
  readonly idleMs: number
}
