/**
 * The facts that the program publishes about itself, by channel, and how to listen to several of them at once. The types are
 * those of the `events.ts` that publishes each; nothing here is imported by whoever publishes.
 */

import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type {
  ConnectionSilentFact,
  EmbeddedDownFact,
  IncarnationFact,
  MigrationFact,
  PoolExhaustedFact,
  SlowQueryFact,
} from '#storage/events.ts'
import type { BusFact } from '#actors/bus/events.ts'
import type {
  ActivationEvent,
  BackgroundEvent,
  CommitEvent,
  MailboxEvent,
  ShardEvent,
} from '#actors/runtime/events.ts'
import type { SweepEvent } from '#actors/sweep/events.ts'
import type { SyncEvent } from '#actors/user/sync/events.ts'
import type { Fault, RequestDone } from '../events.ts'

/** Channel → fact. */
export interface Facts {
  readonly 'troupe:request': RequestDone
  readonly 'troupe:fault': Fault
  readonly 'troupe:commit': CommitEvent
  readonly 'troupe:activation': ActivationEvent
  readonly 'troupe:shard': ShardEvent
  readonly 'troupe:mailbox': MailboxEvent
  readonly 'troupe:background': BackgroundEvent
  readonly 'troupe:bus': BusFact
  readonly 'troupe:sweep': SweepEvent
  readonly 'troupe:sync': SyncEvent
  readonly 'troupe.storage.migration-applied': MigrationFact
  readonly 'troupe.storage.slow-query': SlowQueryFact
  readonly 'troupe.storage.pool-exhausted': PoolExhaustedFact
  readonly 'troupe.storage.connection-silent': ConnectionSilentFact
  readonly 'troupe.storage.embedded-down': EmbeddedDownFact
  readonly 'troupe.storage.incarnation': IncarnationFact
}

export type Listeners = { readonly [C in keyof Facts]?: (fact: Facts[C]) => void }

/** Listens until disposed. A listener must not throw. */
export function listenTo(listeners: Listeners): Disposable {
  const stack = new DisposableStack()
  for (const [name, listener] of Object.entries(listeners)) {
    // The cast is sound: `Listeners` pairs each channel with a listener for its facts.
    const onMessage = listener as (message: unknown) => void
    subscribe(name, onMessage)
    stack.defer(() => unsubscribe(name, onMessage))
  }
  return stack
}
