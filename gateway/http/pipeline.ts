/**
 * Takes a request through everything that is decided before its handler runs, and its outcome back to the client.
 *
 *   route ─► who is it? ─► rate limit ─► body ─► handler ─► answer
 *     └──────────┴─────────────┴───────────┴────────┴─────► errors.ts ─► answer
 *
 * This is the hottest path of the gateway: nothing is made here that the request at hand does not need.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { BlockList } from 'node:net'
import { MatrixError } from '#protocol/errors.ts'
import type { UserId } from '#protocol/ids/user-id.ts'
import type { Reads } from '#storage/reads.ts'
import type { Asker } from '#actors/runtime/client.ts'
import type { Clock, Random } from '#actors/runtime/clock.ts'
import type { Config } from '../config/schema.ts'
import { reportFault, requestDone, type RequestDone } from '../events.ts'
import { authenticate } from './auth.ts'
import { checkEncoding, discardRest, readJsonBody } from './body.ts'
import type {
  AnyEndpoint,
  DialogueIds,
  Limits,
  Passwords,
  RequestContext,
  Requester,
  Services,
} from './endpoint.ts'
import { classifyFailure, errorAnswer } from './errors.ts'
import { LastSeen } from './last-seen.ts'
import { perAddress } from './rate-limit.ts'
import { addressGroup, clientAddress, splitTarget } from './request.ts'
import { sendAnswer, sendPreflight, sendResult } from './respond.ts'
import { hasNul, type Match, type Router } from './router.ts'
import type { SessionCache } from './session-cache.ts'

export interface PipelineOptions {
  readonly router: Router
  readonly sessions: SessionCache
  readonly services: Services
  readonly trustedProxies: BlockList
  /** A new trace id at each call. */
  readonly nextTraceId: () => string
  /** Aborted when the server begins to end. */
  readonly draining: AbortSignal
}

export type RequestListener = (request: IncomingMessage, response: ServerResponse) => void

/** What node:http calls for each request. Never throws and leaves no promise behind. */
export function createPipeline(options: PipelineOptions): RequestListener {
  const lastSeen = new LastSeen(options.services)
  return (request, response) => {
    if (request.method === 'OPTIONS') sendPreflight(response)
    else void serve(new Exchange(options, request, response), lastSeen)
  }
}

async function serve(exchange: Exchange, lastSeen: LastSeen): Promise<void> {
  try {
    exchange.route()
    const requester = exchange.authenticate()
    exchange.requester = requester instanceof Promise ? await requester : requester
    if (exchange.requester !== undefined) lastSeen.note(exchange.requester, () => exchange.address)
    exchange.limitRate()
    if (exchange.endpoint.body.kind !== 'none') exchange.body = await exchange.readBody()
    const result = await callHandler(exchange.endpoint, exchange)
    // Whoever asks again on this connection may meet its end.
    if (exchange.draining.aborted) exchange.response.shouldKeepAlive = false
    await sendResult(exchange.response, result)
  } catch (thrown) {
    sendFailure(exchange, thrown)
  }
  exchange.finish()
}

/** The cast is sound: `authenticate` has thrown where an endpoint demands a user and there is none. */
function callHandler(endpoint: AnyEndpoint, exchange: Exchange): ReturnType<AnyEndpoint['handle']> {
  return endpoint.auth === 'user'
    ? endpoint.handle(exchange as RequestContext<unknown, Requester>)
    : endpoint.handle(exchange)
}

function sendFailure(exchange: Exchange, thrown: unknown): void {
  const { response, traceId } = exchange
  const failure = classifyFailure(thrown)
  if (response.headersSent) {
    // Half an answer must not look like a whole one.
    response.destroy()
    return
  }
  if (failure.kind === 'gone' || response.destroyed) return
  if (failure.fault !== undefined) reportFault({ where: exchange.pattern, traceId, error: failure.fault })
  sendAnswer(response, errorAnswer(failure.error))
}

/** One request and its answer, as the handler sees it and as the pipeline needs it. */
class Exchange implements RequestContext<unknown, Requester | undefined> {
  readonly config: Config
  readonly reads: Reads
  readonly ask: Asker
  readonly clock: Clock
  readonly random: Random
  readonly passwords: Passwords
  readonly limits: Limits
  readonly dialogueIds: DialogueIds
  readonly traceId: string
  readonly response: ServerResponse
  requester: Requester | undefined = undefined
  body: unknown = undefined
  readonly #options: PipelineOptions
  readonly #request: IncomingMessage
  readonly #startedMs: number
  #match: Match | undefined = undefined
  #query = ''
  #parsedQuery: URLSearchParams | undefined = undefined
  #address: string | undefined = undefined
  #controller: AbortController | undefined = undefined

  constructor(options: PipelineOptions, request: IncomingMessage, response: ServerResponse) {
    const { services } = options
    this.config = services.config
    this.reads = services.reads
    this.ask = services.ask
    this.clock = services.clock
    this.random = services.random
    this.passwords = services.passwords
    this.limits = services.limits
    this.dialogueIds = services.dialogueIds
    this.traceId = options.nextTraceId()
    this.response = response
    this.#options = options
    this.#request = request
    this.#startedMs = services.clock.monotonic()
  }

  /** Finds the endpoint. Throws M_UNRECOGNIZED, M_INVALID_PARAM. */
  route(): void {
    const { path, query } = splitTarget(this.#request.url ?? '/')
    this.#match = this.#options.router.match(this.#request.method ?? 'GET', path)
    if (hasNul(query)) throw new MatrixError('M_INVALID_PARAM', 'The query must not contain U+0000.')
    this.#query = query
  }

  authenticate(): Requester | undefined | Promise<Requester> {
    return authenticate(this.#request, this.#query, this.endpoint.auth, this.#options.sessions)
  }

  /** Throws M_LIMIT_EXCEEDED. */
  limitRate(): void {
    const { rateLimit } = this.endpoint
    if (rateLimit === 'none') return
    const userId = perAddress.has(rateLimit) ? undefined : this.requester?.userId
    this.limits.take(rateLimit, userId ?? addressGroup(this.address))
  }

  /** The checked body of a JSON endpoint; nothing for one that reads its stream itself. */
  readBody(): Promise<unknown> | undefined {
    const { body } = this.endpoint
    if (body.kind === 'json') return readJsonBody(this.#request, body, this.clock)
    checkEncoding(this.#request)
    return undefined
  }

  /** Reports the request once its fate is known, and lets a client that is still sending read its answer. */
  finish(): void {
    discardRest(this.#request, this.clock)
    if (!requestDone.hasSubscribers) return
    const gone = !this.response.headersSent || this.response.errored !== null
    const done: RequestDone = {
      method: this.#request.method ?? '',
      route: this.pattern,
      status: gone ? 499 : this.response.statusCode,
      durationMs: this.clock.monotonic() - this.#startedMs,
      traceId: this.traceId,
      userId: this.requester?.userId,
    }
    requestDone.publish(done)
  }

  get endpoint(): AnyEndpoint {
    if (this.#match === undefined) throw new Error('The request has not been routed yet.')
    return this.#match.route.endpoint
  }

  get pattern(): string {
    return this.#match?.route.pattern ?? 'unknown'
  }

  get params(): Readonly<Record<string, string>> {
    return this.#match?.params ?? {}
  }

  get query(): URLSearchParams {
    return (this.#parsedQuery ??= new URLSearchParams(this.#query))
  }

  get headers(): IncomingMessage['headers'] {
    return this.#request.headers
  }

  get stream(): IncomingMessage {
    return this.#request
  }

  get address(): string {
    return (this.#address ??= clientAddress(this.#request, this.#options.trustedProxies))
  }

  endSessions(userId: UserId, deviceIds: readonly string[] | 'all'): void {
    this.#options.sessions.revoke(userId, deviceIds)
  }

  get userAgent(): string {
    return this.#request.headers['user-agent'] ?? ''
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      const controller = new AbortController()
      this.#controller = controller
      if (this.response.destroyed) controller.abort()
      // After a whole answer nobody listens any more, and an abort is not for nothing: it makes an error with its stack.
      else {
        this.response.once('close', () => {
          if (!this.response.writableFinished) controller.abort()
        })
      }
    }
    return this.#controller.signal
  }

  get draining(): AbortSignal {
    return this.#options.draining
  }
}
