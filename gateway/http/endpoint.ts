/**
 * The endpoint contract: one endpoint, one file, and everything that decides about a request before its handler runs stands
 * in that file: method, path, who may call, what the body must look like, how often.
 *
 *   request ─► route ─► CORS ─► who is it? ─► rate limit ─► body: size, JSON, schema ─► handler ─► JSON
 *                404      –      401 / 403       429          413 / 400 / 400            funnel: errors.ts
 */

import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import type { z } from 'zod'
import type { DeviceId } from '#protocol/ids/device-id.ts'
import type { UserId } from '#protocol/ids/user-id.ts'
import type { ErrorCode } from '#protocol/errors.ts'
import type { JsonValue } from '#protocol/json/types.ts'
import type { Reads } from '#storage/reads.ts'
import type { Asker } from '#actors/runtime/client.ts'
import type { Clock, Random } from '#actors/runtime/clock.ts'
import type { Config } from '../config/schema.ts'

/** Whose request it is, from his access token. */
export interface Requester {
  readonly userId: UserId
  readonly deviceId: DeviceId
  /** SHA-256 of the token, base64: names the session without being able to act for it. */
  readonly tokenHash: string
  readonly admin: boolean
}

/** What every handler may use. A handler that needs nothing of it is better still. */
export interface Services {
  readonly config: Config
  readonly reads: Reads
  readonly ask: Asker
  readonly clock: Clock
  readonly random: Random
  /** CPU-heavy work off the event loop: password hashes. */
  readonly passwords: Passwords
  /** For limits that the endpoint's own class cannot express, such as log-ins per account. */
  readonly limits: Limits
  /** Of sessions of user-interactive authentication. */
  readonly dialogueIds: DialogueIds
}

/** Makes and knows the ids of these sessions, each for one operation. */
export interface DialogueIds {
  make(operation: string): string
  isOurs(id: string, operation: string): boolean
}

/** Rate limits by a key of the handler's choice. */
export interface Limits {
  /** Takes one from the bucket of `key`. Throws M_LIMIT_EXCEEDED (429) with `retry_after_ms` when it is empty. */
  take(limitClass: RateLimitClass, key: string): void
}

/** Password hashing in the thread pool (argon2id), never on the event loop. */
export interface Passwords {
  hash(password: string): Promise<string>
  /** Takes as long for an absent hash as for a wrong password. */
  verify(password: string, hash: string | undefined): Promise<boolean>
}

/** What a handler knows of its request. `B`: the parsed body; `A`: the requester or undefined. */
export interface RequestContext<B, A> extends Services {
  /** Undefined only where the endpoint's demand allows that. */
  readonly requester: A
  /** Decoded path parameters by name. */
  readonly params: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  readonly body: B
  /** The request's headers, names in lower case. */
  readonly headers: IncomingHttpHeaders
  /** The body of an endpoint whose demand is `stream`; the handler limits what it reads. */
  readonly stream: Readable
  /** Client address as configured proxies report it. */
  readonly address: string
  readonly userAgent: string
  readonly traceId: string
  /** Aborted when the client has gone. Made when it is first looked at. */
  readonly signal: AbortSignal
  /** Forgets sessions that have just been ended, so that this gateway need not hear of it from the logs. */
  endSessions(userId: UserId, deviceIds: readonly string[] | 'all'): void
  /** Aborted when the server begins to end: what waits for something to happen stops waiting and answers. */
  readonly draining: AbortSignal
}

/** An answer that is not simply 200 with a JSON body. */
export class Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** Text is sent as it is: a sync response is serialised already. A stream is piped. */
  readonly body: string | Uint8Array | NodeJS.ReadableStream

  constructor(
    status: number,
    headers: Readonly<Record<string, string>>,
    body: string | Uint8Array | NodeJS.ReadableStream,
  ) {
    this.status = status
    this.headers = headers
    this.body = body
  }

  /** JSON text that is serialised already. */
  static json(text: string, status = 200): Answer {
    return new Answer(status, { 'content-type': 'application/json' }, text)
  }
}

/**
 * - `none`: anybody; a token is not even looked at.
 * - `optional`: a valid token is used, an absent one is fine, a wrong one is refused.
 * - `user`: a valid token is required.
 */
export type AuthDemand = 'none' | 'optional' | 'user'

/** Buckets of `rate-limit.ts`; `none` for what costs nothing or is limited elsewhere. */
export type RateLimitClass =
  | 'none'
  | 'message' // sending events, per user
  | 'join' // joins, knocks, room creation, per user
  | 'invite' // per user
  | 'login' // per address, and per account by the handler
  | 'registration' // per address
  | 'read' // expensive reads, per user
  | 'write' // settings, keys, profile, per user
  | 'media' // uploads, per user

/** What a body is: none, JSON checked by a schema, or bytes that the handler reads itself. */
export type BodyDemand<B> =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'json'
      readonly schema: z.ZodType<B>
      /** Bytes; default 1 MiB. */
      readonly maxBytes?: number
      /** An absent body counts as `{}`. */
      readonly optional?: boolean
      /**
       * `event`: numbers as canonical JSON demands (no floats, ±(2^53 − 1)), as for everything that ends in an event; the handler gets
       * the parsed value itself and never the schema's output, which would lose keys.
       */
      readonly grammar?: 'json' | 'event'
    }
  | { readonly kind: 'stream' }

interface EndpointBase<B> {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE'
  /** With `:name` for parameters; the first is the present one, the rest are older names for the same thing. */
  readonly path: string | readonly string[]
  readonly rateLimit: RateLimitClass
  readonly body: BodyDemand<B>
}

/** An endpoint as its file exports it, by the name `endpoint`. */
export type Endpoint<B = unknown> =
  | (EndpointBase<B> & {
      readonly auth: 'none' | 'optional'
      readonly handle: (
        context: RequestContext<B, Requester | undefined>,
      ) => Promise<HandlerResult> | HandlerResult
    })
  | (EndpointBase<B> & {
      readonly auth: 'user'
      readonly handle: (context: RequestContext<B, Requester>) => Promise<HandlerResult> | HandlerResult
    })

export type HandlerResult = JsonValue | Answer

/**
 * Gives an endpoint its types: body from schema, requester from the demand.
 * Errors: a handler throws `MatrixError`; everything else becomes 500 M_UNKNOWN without its words.
 */
export function defineEndpoint<B>(endpoint: Endpoint<B>): AnyEndpoint {
  // The cast is sound: the pipeline gives a handler only what the schema of the same endpoint has accepted.
  return endpoint as unknown as AnyEndpoint
}

/** An endpoint in a list: its body type no longer matters, since only its own handler sees the body. */
export type AnyEndpoint = Endpoint<unknown>

/** Which error codes an endpoint's documentation promises; used by the reference page and its test. */
export type DocumentedErrors = readonly ErrorCode[]
