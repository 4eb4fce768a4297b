/**
 * The listener for operators, `TROUPE_METRICS_LISTEN`: /health, /ready and /metrics, and nothing else.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from '#actors/runtime/clock.ts'
import type { ListenAddress } from '../config/values.ts'
import { reportFault } from '../events.ts'
import { Answer } from '../http/endpoint.ts'
import { splitTarget } from '../http/request.ts'
import { sendResult } from '../http/respond.ts'
import { HttpServer } from '../http/server.ts'
import { healthAnswer, type Readiness, readyAnswer } from './health.ts'
import type { Metrics } from './metrics.ts'

export interface OperatorOptions {
  readonly addresses: readonly ListenAddress[]
  readonly readiness: Readiness
  readonly metrics: Metrics
  readonly clock: Clock
}

/** Scrapers are few; more connections than these are a mistake. */
const maxConnections = 100

/** Listens for operators. Throws ListenError. */
export function listenForOperators(options: OperatorOptions): Promise<HttpServer> {
  return HttpServer.listen({
    addresses: options.addresses,
    key: 'TROUPE_METRICS_LISTEN',
    handle: (request, response) => void serve(options, request, response),
    clock: options.clock,
    limits: { maxConnections },
  })
}

async function serve(
  options: OperatorOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    await sendResult(response, await answer(options, request))
  } catch (error) {
    reportFault({ where: 'operator request', traceId: undefined, error })
    response.destroy()
  }
}

async function answer({ readiness, metrics }: OperatorOptions, request: IncomingMessage): Promise<Answer> {
  if (request.method !== 'GET') return plain(405, 'Only GET is answered here.\n')
  switch (splitTarget(request.url ?? '/').path) {
    case '/health':
      return healthAnswer()
    case '/ready':
      return readyAnswer(readiness)
    case '/metrics': {
      const { contentType, text } = await metrics.text()
      return new Answer(200, { 'content-type': contentType }, text)
    }
    default:
      return plain(404, 'Here are /health, /ready and /metrics.\n')
  }
}

function plain(status: number, text: string): Answer {
  return new Answer(status, { 'content-type': 'text/plain; charset=utf-8' }, text)
}
