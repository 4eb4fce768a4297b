/**
 * Asking actors, from the gateway and from other actors. The caller names the kind, the key and the request; where the actor
 * lives, whether it moves meanwhile, and whether a retry is needed is found out here.
 */

import type { RoomMessages } from '../room/messages.ts'
import type { UserMessages } from '../user/messages.ts'
import type { InteractionMessages } from '../interaction/messages.ts'

/** Every kind of actor with its requests. Type only: the runtime itself imports no actor. */
export interface ActorMessages {
  readonly room: RoomMessages
  readonly user: UserMessages
  readonly interaction: InteractionMessages
}

export interface AskOptions {
  /** Milliseconds that the caller will wait in all, retries included. Default 10,000. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
  /** One id from the gateway to the last actor, for the logs. */
  readonly traceId?: string
}

export interface Asker {
  /**
   * Sends a request to the one actor of that kind and key, and returns its reply. On no responders, a lost reply, or an owner that has
   * changed, the owner is looked up again and the same request is repeated until the time is over: every request is safe to repeat, either because it
   * carries an idempotency key or because doing it twice is the same.
   * Throws the `MatrixError` that the actor threw; M_UNKNOWN with status 503 and `retry_after_ms` when nobody answered in time.
   */
  ask<A extends keyof ActorMessages, K extends keyof ActorMessages[A] & string>(
    actor: A,
    key: string,
    kind: K,
    body: RequestBody<A, K>,
    options?: AskOptions,
  ): Promise<ReplyBody<A, K>>
}

type Entry<A extends keyof ActorMessages, K extends keyof ActorMessages[A]> = ActorMessages[A][K]

export type RequestBody<A extends keyof ActorMessages, K extends keyof ActorMessages[A]> =
  Entry<A, K> extends { readonly request: infer Q } ? Q : never

export type ReplyBody<A extends keyof ActorMessages, K extends keyof ActorMessages[A]> =
  Entry<A, K> extends { readonly reply: infer R } ? R : never
