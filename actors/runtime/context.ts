/** What one activation is given to work with. */

import { ShardWrites } from '#storage/shard-writes.ts'
import type { Reads } from '#storage/reads.ts'
import type { Writes } from '#storage/writes.ts'
import type { ActorKind } from '../bus/subjects.ts'
import type { Activation } from './activation.ts'
import type { Asker } from './client.ts'
import type { Clock, Random } from './clock.ts'
import type { ActorContext, Decision, EphemeralEvent } from './contract.ts'
import { reportBackground } from './events.ts'

export class ActivationContext implements ActorContext {
  readonly #activation: Activation

  constructor(activation: Activation) {
    this.#activation = activation
  }

  get kind(): ActorKind {
    return this.#activation.definition.kind
  }

  get key(): string {
    return this.#activation.key
  }

  get shard(): number {
    return this.#activation.lane.shard
  }

  get epoch(): number {
    return this.#activation.lane.epoch
  }

  get clock(): Clock {
    return this.#activation.services.clock
  }

  get random(): Random {
    return this.#activation.services.random
  }

  get reads(): Reads {
    return this.#activation.services.reads
  }

  get ask(): Asker {
    return this.#activation.services.ask
  }

  get signal(): AbortSignal {
    return this.#activation.signal
  }

  writes(): Writes {
    return new ShardWrites(this.shard)
  }

  decide(decision: Decision): Promise<void> {
    return this.#activation.decide(decision)
  }

  afterCommit(run: () => void): void {
    this.#activation.afterCommit(run)
  }

  background(name: string, run: (signal: AbortSignal) => Promise<void>): void {
    const { kind, signal } = this
    reportBackground({ kind, name, what: 'started' })
    // A function that throws before its first await is reported like one that rejects.
    void (async () => run(signal))().then(
      () => reportBackground({ kind, name, what: 'ended' }),
      (error: unknown) => {
        if (signal.aborted) reportBackground({ kind, name, what: 'ended' })
        else reportBackground({ kind, name, what: 'failed', error })
      },
    )
  }

  enqueue(request: { readonly kind: string; readonly body: unknown }): void {
    this.#activation.enqueue(request)
  }

  ephemeral(event: EphemeralEvent): void {
    this.#activation.services.ephemeral(this.shard, event)
  }
}
