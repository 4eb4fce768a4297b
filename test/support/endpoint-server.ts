/**
 * Endpoints behind real sockets with everything else played: sessions by table, actors and Postgres absent unless given.
 */

import { BlockList } from 'node:net'
import { loadConfig } from '#gateway/config/load.ts'
import type { AnyEndpoint, Limits, Services } from '#gateway/http/endpoint.ts'
import { createPipeline } from '#gateway/http/pipeline.ts'
import { unlimited } from '#gateway/http/rate-limit.ts'
import { traceIds } from '#gateway/http/request.ts'
import { Router } from '#gateway/http/router.ts'
import { HttpServer, type ServerLimits } from '#gateway/http/server.ts'
import { SessionCache, type StoredSession } from '#gateway/http/session-cache.ts'
import { hashToken } from '#gateway/http/auth.ts'
import { systemClock, systemRandom } from '#actors/runtime/clock.ts'

export interface EndpointServerOptions {
  readonly endpoints: readonly AnyEndpoint[]
  /** Access token → session. */
  readonly sessions?: Readonly<Record<string, StoredSession>>
  readonly services?: Partial<Services>
  readonly limits?: Limits
  readonly serverLimits?: Partial<ServerLimits>
  readonly environment?: Readonly<Record<string, string>>
  readonly trustedProxies?: BlockList
}

export interface EndpointServer extends AsyncDisposable {
  /** Such as `http://127.0.0.1:40000`. */
  readonly url: string
  readonly server: HttpServer
  /** Aborts the signal that tells handlers to stop waiting. */
  drain(): void
}

/** Starts a server on a free port of the loopback interface. */
export async function startEndpointServer(options: EndpointServerOptions): Promise<EndpointServer> {
  const draining = new AbortController()
  const sessions = new Map(
    Object.entries(options.sessions ?? {}).map(([token, session]) => [hashToken(token), session]),
  )
  const clock = systemClock
  const feed = { seenAtMonotonicMs: () => -Infinity, onRevoked: () => () => {} }
  const handle = createPipeline({
    router: new Router(options.endpoints),
    sessions: new SessionCache({ find: async (hash) => sessions.get(hash), feed, clock }),
    services: testServices(options),
    trustedProxies: options.trustedProxies ?? new BlockList(),
    nextTraceId: traceIds(systemRandom),
    draining: draining.signal,
  })
  const server = await HttpServer.listen({
    addresses: [{ host: '127.0.0.1', port: 0 }],
    key: 'TROUPE_LISTEN',
    handle,
    clock,
    ...(options.serverLimits === undefined ? {} : { limits: options.serverLimits }),
  })
  return {
    url: server.urls[0] ?? '',
    server,
    drain: () => draining.abort(),
    [Symbol.asyncDispose]: () => server.close(0),
  }
}

/** Services of which only what the test gives exists; touching another fails the request. */
function testServices(options: EndpointServerOptions): Services {
  const config = loadConfig({
    environment: options.environment ?? {},
    workingDirectory: '/nonexistent',
    processId: 1,
  })
  return {
    config,
    clock: systemClock,
    random: systemRandom,
    limits: options.limits ?? unlimited,
    reads: absent('reads'),
    ask: absent('ask'),
    passwords: absent('passwords'),
    dialogueIds: absent('dialogueIds'),
    ...options.services,
  }
}

function absent<T extends object>(name: string): T {
  const trap = {
    get(): never {
      throw new Error(`The test did not give the service "${name}".`)
    },
  }
  // The cast is sound for a test: whoever touches the object learns that it is not there.
  return new Proxy({}, trap) as T
}
