/** Requests as a stubborn client makes them: again and again until there is an answer, and never with another meaning. */

import { setTimeout as delay } from 'node:timers/promises'
import type { MatrixUser } from '../support/matrix.ts'

export interface Persistence {
  /** Milliseconds from the first attempt until it is given up. */
  readonly limitMs: number
  /** Milliseconds for one attempt. */
  readonly attemptMs: number
  /** Milliseconds between two attempts. */
  readonly pauseMs: () => number
  /** Gives up when aborted. */
  readonly signal: AbortSignal
  /** Told of every attempt that came to nothing. */
  readonly onFailure?: (failure: Failure) => void
}

/** An attempt without a useful answer. */
export interface Failure {
  /** When it had failed, on the monotonic clock. */
  readonly atMs: number
  readonly tookMs: number
  /** The server that was asked. */
  readonly url: string
  /** Undefined: no answer at all. */
  readonly status: number | undefined
  /** Whether the answer says when to ask again (`Retry-After`). */
  readonly saysWhen: boolean
  readonly why: string
}

export interface Persisted<T> {
  readonly body: T
  /** When the attempt that was answered began, on the monotonic clock. */
  readonly attemptedAtMs: number
}

/** The server said that the session does not exist. */
export class LoggedOut extends Error {
  override readonly name = 'LoggedOut'
}

/** The server refused what it must accept. */
export class Refused extends Error {
  override readonly name = 'Refused'
}

/** Nobody answered for too long. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer'
}

export interface Call {
  readonly method: string
  readonly path: string
  readonly body?: unknown
}

/**
 * Repeats the call, unchanged, while the network fails or the server says 429 or 5xx. Throws LoggedOut, Refused for every other status,
 * NoAnswer after the limit, and the signal's reason.
 */
export async function persist<T>(user: MatrixUser, call: Call, how: Persistence): Promise<Persisted<T>> {
  const endMs = performance.now() + how.limitMs
  for (;;) {
    how.signal.throwIfAborted()
    const attemptedAtMs = performance.now()
    const { url } = user
    const outcome = await attempt<T>(user, call, how.attemptMs)
    if (outcome.kind === 'answered') return { body: outcome.body, attemptedAtMs }
    const atMs = performance.now()
    const { status, saysWhen, why } = outcome
    how.onFailure?.({ atMs, tookMs: atMs - attemptedAtMs, url, status, saysWhen, why })
    how.signal.throwIfAborted()
    if (performance.now() > endMs) {
      throw new NoAnswer(
        `${user.userId}: ${call.method} ${call.path} for ${how.limitMs} ms in vain; at last: ${outcome.why}`,
      )
    }
    await delay(how.pauseMs())
  }
}

type Outcome<T> =
  | { readonly kind: 'answered'; readonly body: T }
  | ({ readonly kind: 'again' } & Pick<Failure, 'status' | 'saysWhen' | 'why'>)

/** `fetch` says no more than that it failed; its cause says how. */
function whyOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined
  return cause instanceof Error ? `${String(error)} (${String(cause)})` : String(error)
}

async function attempt<T>(user: MatrixUser, call: Call, attemptMs: number): Promise<Outcome<T>> {
  let answer
  try {
    answer = await user.call<T & { errcode?: string }>(call.method, call.path, call.body, attemptMs)
  } catch (error) {
    // A body that is cut off is the network's fault, one that is no JSON is the server's.
    if (error instanceof SyntaxError) throw error
    return { kind: 'again', status: undefined, saysWhen: false, why: whyOf(error) }
  }
  const { status, body, headers } = answer
  if (status === 200) return { kind: 'answered', body }
  const text = `${user.userId}: ${call.method} ${call.path}: ${status} ${JSON.stringify(body)}`
  if (body.errcode === 'M_UNKNOWN_TOKEN') throw new LoggedOut(text)
  if (status === 429 || status >= 500)
    return { kind: 'again', status, saysWhen: headers.has('retry-after'), why: text }
  throw new Refused(text)
}
