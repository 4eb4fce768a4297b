/**
 * What goes over the bus to the owner of a shard, and back. Versioned by its kinds: a new kind is sent only when every live
 * host knows it (DESIGN.md §5). Every kind is listed in `actors/contracts.txt`.
 */

/** Head of a request to an actor. */
export interface ActorRequestHead {
  /** Key of the actor: room id, user id … */
  readonly key: string
  /** Kind of request, in the words of that actor's `messages.ts`. */
  readonly kind: string
  readonly body: unknown
  /** The epoch that the caller believes the shard to have; 0 when it knows none. */
  readonly epoch: number
  /** Milliseconds that the caller still waits. */
  readonly timeoutMs: number
  readonly traceId: string
}

/** Head of a reply. `retry`: not carried out, or not known to be; ask the present owner again. */
export type ActorReplyHead =
  | { readonly kind: 'ok'; readonly body: unknown; readonly epoch: number; readonly hasBody?: true }
  | {
      readonly kind: 'error'
      readonly epoch: number
      readonly error: {
        readonly errcode: string
        readonly error: string
        readonly status: number
        readonly extra?: Readonly<Record<string, unknown>>
      }
    }
  | { readonly kind: 'retry'; readonly epoch: number; readonly why: string }
