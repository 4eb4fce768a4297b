/**
 * Drives room actors against a real database without the runtime: each request is a turn, and everything that a turn decides is committed
 * before its reply is given.
 */

import { shardOf } from '#actors/runtime/shards.ts'
import { systemClock, systemRandom, type Clock, type Timer } from '#actors/runtime/clock.ts'
import type { Actor, ActorContext, EphemeralEvent, RequestOf } from '#actors/runtime/contract.ts'
import type { Asker } from '#actors/runtime/client.ts'
import type { RoomMessages } from '#actors/room/messages.ts'
import { roomActor, type RoomNumbers } from '#actors/room/room.ts'
import type { Database } from '#storage/pool.ts'
import { ShardWrites } from '#storage/shard-writes.ts'

/** A clock whose timers run when they are told to. */
export class ManualTimers implements Clock {
  readonly #pending = new Set<() => void>()

  now(): number {
    return systemClock.now()
  }

  monotonic(): number {
    return systemClock.monotonic()
  }

  after(_delayMs: number, run: () => void): Timer {
    const entry = (): void => run()
    this.#pending.add(entry)
    return { cancel: () => this.#pending.delete(entry) }
  }

  /** Runs every timer that is set now. */
  fire(): void {
    const due = Array.from(this.#pending)
    for (const run of due) {
      this.#pending.delete(run)
      run()
    }
  }
}

class Sequence implements RoomNumbers {
  #event = 1
  #room = 1
  next(): number {
    return this.#event++
  }
  refill(): Promise<void> {
    return Promise.resolve()
  }
  nextRoom(): Promise<number> {
    return Promise.resolve(this.#room++)
  }
}

interface Activation {
  readonly actor: Actor<RoomMessages>
  readonly abort: AbortController
  readonly decided: Promise<void>[]
}

export class RoomHarness {
  readonly clock = new ManualTimers()
  readonly ephemeral: EphemeralEvent[] = []
  /** What rooms told the actors of users. */
  readonly hints: { readonly userId: string; readonly body: unknown }[] = []
  readonly #database: Database
  readonly #definition
  readonly #store
  readonly #activations = new Map<string, Activation>()
  /** Requests that actors put into their own mailboxes. */
  readonly #own: Promise<unknown>[] = []

  constructor(database: Database, serverName: string) {
    this.#database = database
    this.#store = database.commitStore()
    this.#definition = roomActor({ serverName, numbers: new Sequence() })
  }

  /** One turn of a room; its reply, once everything decided is committed. */
  async ask<K extends keyof RoomMessages>(
    roomId: string,
    kind: K,
    body: RoomMessages[K]['request'],
  ): Promise<RoomMessages[K]['reply']> {
    const activation = await this.#activate(roomId)
    // The cast states what the signature guarantees: kind and body belong together.
    const request = { kind, body } as unknown as RequestOf<RoomMessages>
    const caller = { traceId: 'test', signal: activation.abort.signal }
    const reply = await activation.actor.handle(request, caller)
    await Promise.all(activation.decided.splice(0))
    return reply as RoomMessages[K]['reply']
  }

  /** Ends an activation, so that the next request loads the room anew. */
  forget(roomId: string): void {
    this.#activations.get(roomId)?.abort.abort()
    this.#activations.delete(roomId)
  }

  /** Waits for what actors have asked of themselves. */
  async settled(): Promise<void> {
    await Promise.all(this.#own.splice(0))
  }

  async #activate(roomId: string): Promise<Activation> {
    const known = this.#activations.get(roomId)
    if (known !== undefined) return known
    const abort = new AbortController()
    const decided: Promise<void>[] = []
    const actor = await this.#definition.load(this.#context(roomId, { abort, decided }))
    const activation = { actor, abort, decided }
    this.#activations.set(roomId, activation)
    return activation
  }

  #context(roomId: string, parts: { abort: AbortController; decided: Promise<void>[] }): ActorContext {
    const shard = shardOf(roomId)
    let committed: Promise<void> = Promise.resolve()
    const ask: Asker = {
      ask: (_actor, key, _kind, body) => {
        this.hints.push({ userId: key, body })
        return Promise.resolve({} as never)
      },
    }
    return {
      kind: 'room',
      key: roomId,
      shard,
      epoch: 0,
      clock: this.clock,
      random: systemRandom,
      reads: this.#database.reads,
      ask,
      writes: () => new ShardWrites(shard),
      decide: (decision) => {
        const writes = decision.writes
        if (!(writes instanceof ShardWrites)) throw new Error('not from this context')
        committed = committed.then(() => this.#commit(shard, writes))
        parts.decided.push(committed)
        return committed
      },
      afterCommit: (run) => void parts.decided.push(committed.then(run)),
      background: (_name, run) => void parts.decided.push(run(parts.abort.signal)),
      signal: parts.abort.signal,
      enqueue: ({ kind, body }) =>
        void this.#own.push(this.ask(roomId, kind as keyof RoomMessages, body as never)),
      ephemeral: (event) => void this.ephemeral.push(event),
    }
  }

  async #commit(shard: number, writes: ShardWrites): Promise<void> {
    const rows = await this.#database.reads.sql<{ pos: number | null }[]>`
      select max(pos) as pos from log where shard_id = ${shard}`
    const after = rows[0]?.pos ?? 0
    writes.place(after)
    const result = await this.#store.commit([{ shard, epoch: 0, after, writes: [writes] }])
    if (result.kind === 'seen') {
      throw Object.assign(new Error('seen'), { name: 'SeenTransaction' })
    }
    if (result.kind !== 'committed') throw new Error(`commit: ${result.kind}`)
  }
}
