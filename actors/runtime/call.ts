/** A request on its way through an activation, with its way back. In-process calls and those from the bus look the same. */

import type { ActorKind } from '../bus/subjects.ts'
import type { Caller } from './contract.ts'

export interface Call {
  readonly request: { readonly kind: string; readonly body: unknown }
  readonly caller: Caller
  /** The answer. Of the three ways to end a call the first one counts; the others do nothing. */
  reply(value: unknown): void
  /** A failure that the caller is to be told. */
  refuse(error: unknown): void
  /** Not carried out, or not known to be: the caller asks again. */
  again(why: string): void
}

/** The actors of this process, if it has any. */
export interface LocalActors {
  /** Gives a call to the actor; false when this host does not serve the shard now. */
  deliver(to: { readonly kind: ActorKind; readonly key: string; readonly shard: number }, call: Call): boolean
  /** Nobody answered for this shard: its owner may be dead. */
  suspect(shard: number): void
}

const nobody: Caller = { traceId: '', signal: new AbortController().signal }

/** A message that an actor sends to itself: nobody waits for the reply. */
export function selfCall(request: Call['request']): Call {
  return { request, caller: nobody, reply: () => {}, refuse: () => {}, again: () => {} }
}
