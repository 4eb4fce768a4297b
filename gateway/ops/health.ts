/**
 * Whether this process lives and whether it may take traffic: what a supervisor, a load balancer and the front page ask.
 */

import { Answer, type AnyEndpoint, defineEndpoint } from '../http/endpoint.ts'

/** Says undefined while all is well, or in a few words what is not. Must be quick and must not throw. */
export type ReadinessCheck = () => string | undefined

/** The named conditions under which this process may take traffic. With none of them failing it is ready. */
export class Readiness {
  readonly #checks = new Map<string, ReadinessCheck>()
  #draining = false

  /** Adds a condition. Returns a function that removes it. */
  add(name: string, check: ReadinessCheck): () => void {
    this.#checks.set(name, check)
    return () => this.#checks.delete(name)
  }

  /** From now on the process takes no new traffic. */
  drain(): void {
    this.#draining = true
  }

  /** Condition → what is wrong with it; empty when the process is ready. */
  problems(): ReadonlyMap<string, string> {
    const problems = new Map<string, string>()
    if (this.#draining) problems.set('process', 'is ending')
    for (const [name, check] of this.#checks) {
      const problem = check()
      if (problem !== undefined) problems.set(name, problem)
    }
    return problems
  }
}

/** 200 as long as the process can answer at all. */
export function healthAnswer(): Answer {
  return Answer.json('{"alive":true}')
}

/** 200 when ready; 503 with the reasons when not. */
export function readyAnswer(readiness: Readiness): Answer {
  const problems = readiness.problems()
  const body = JSON.stringify({ ready: problems.size === 0, problems: Object.fromEntries(problems) })
  return Answer.json(body, problems.size === 0 ? 200 : 503)
}

/** `GET /health` and `GET /ready` on the listeners for clients. */
export function healthEndpoints(readiness: Readiness): AnyEndpoint[] {
  return [
    defineEndpoint({
      method: 'GET',
      path: '/health',
      auth: 'none',
      rateLimit: 'none',
      body: { kind: 'none' },
      handle: healthAnswer,
    }),
    defineEndpoint({
      method: 'GET',
      path: '/ready',
      auth: 'none',
      rateLimit: 'none',
      body: { kind: 'none' },
      handle: () => readyAnswer(readiness),
    }),
  ]
}
