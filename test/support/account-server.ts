/**
 * A whole server of one process on a real Postgres, without following and sync: accounts, keys, media and rooms behind a real
 * socket. A test asks as clients do.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BlockList } from 'node:net'
import type { ServerName } from '#protocol/ids/server-name.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '#protocol/json/types.ts'
import { takeEventNumbers, takeRoomNumbers } from '#storage/cluster/numbers.ts'
import type { Database } from '#storage/pool.ts'
import type { Reads } from '#storage/reads.ts'
import { readSession } from '#storage/users/tokens.ts'
import { MemoryBus } from '#actors/bus/memory.ts'
import { SessionRows } from '#actors/follow/sessions.ts'
import { interactionActor } from '#actors/interaction/interaction.ts'
import { NumberBlocks } from '#actors/room/numbers.ts'
import { roomActor } from '#actors/room/room.ts'
import type { Asker } from '#actors/runtime/client.ts'
import { systemClock, systemRandom, type Clock } from '#actors/runtime/clock.ts'
import { FeedHooks } from '#actors/runtime/feed-hooks.ts'
import { makeActorHost } from '#actors/runtime/host.ts'
import { Fanout } from '#actors/user/fanout.ts'
import type { OwnState } from '#actors/user/own-state.ts'
import { userActor } from '#actors/user/user.ts'
import { SignedDialogueIds } from '#gateway/client/dialogue-ids.ts'
import { clientEndpoints } from '#gateway/client/endpoints.ts'
import { loadConfig } from '#gateway/config/load.ts'
import type { Passwords } from '#gateway/http/endpoint.ts'
import { createPipeline } from '#gateway/http/pipeline.ts'
import { unlimited } from '#gateway/http/rate-limit.ts'
import { traceIds } from '#gateway/http/request.ts'
import { Router } from '#gateway/http/router.ts'
import { HttpServer } from '#gateway/http/server.ts'
import { SessionCache } from '#gateway/http/session-cache.ts'
import { ArgonPasswords, passwordCosts } from '#gateway/passwords.ts'
import { testDatabase } from './postgres.ts'

export interface Reply {
  readonly status: number
  readonly body: JsonObject
  readonly headers: Headers
}

export interface AccountServer extends AsyncDisposable {
  readonly url: string
  readonly database: Database
  readonly ask: Asker
  /** The own state of each user whose actor has been loaded, as sync would see it. */
  readonly ownStates: ReadonlyMap<string, OwnState>
  /** One request with JSON. */
  call(method: string, path: string, options?: { token?: string; body?: JsonValue }): Promise<Reply>
  /** Starts the actors and the gateway again on the same database, as after a crash of the process. */
  restart(): Promise<AccountServer>
}

export interface AccountServerOptions {
  readonly environment?: Readonly<Record<string, string>>
  readonly clock?: Clock
  readonly limits?: typeof unlimited
  /** Takes the place of the server's own, which it is given. */
  readonly passwords?: (own: Passwords) => Passwords
  /** Takes the place of the gateway's own, which it is given. */
  readonly reads?: (own: Reads) => Reads
}

const serverName = 'test.local'

/** Starts the server. Everybody can register unless the environment says otherwise. */
export async function startAccountServer(options: AccountServerOptions = {}): Promise<AccountServer> {
  const test = await testDatabase({ serverName })
  const dataDir = await mkdtemp(join(tmpdir(), 'troupe-account-'))
  const ground = new AsyncDisposableStack()
  ground.use(test)
  ground.defer(() => rm(dataDir, { recursive: true, force: true }))
  try {
    return await start({ options, database: test.database, dataDir, ground })
  } catch (error) {
    await ground.disposeAsync()
    throw error
  }
}

interface Ground {
  readonly options: AccountServerOptions
  readonly database: Database
  readonly dataDir: string
  readonly ground: AsyncDisposableStack
}

async function start(parts: Ground): Promise<AccountServer> {
  const { database, options } = parts
  const clock = options.clock ?? systemClock
  const config = loadConfig({
    environment: {
      TROUPE_SERVER_NAME: serverName,
      TROUPE_DATA_DIR: parts.dataDir,
      TROUPE_REGISTRATION: 'open',
      TROUPE_PASSWORD_HASH: 'cheap',
      ...options.environment,
    },
    workingDirectory: parts.dataDir,
    processId: 1,
  })
  const stack = new AsyncDisposableStack()
  const ownStates = new Map<string, OwnState>()
  const host = stack.use(await startHost(database, stack, ownStates))
  const feed = stack.use(new SessionRows({ reads: database.reads, clock: systemClock }))
  await feed.start()
  const handle = createPipeline({
    router: new Router(clientEndpoints),
    sessions: new SessionCache({ find: (hash) => readSession(database.reads, hash), feed, clock }),
    services: {
      config,
      reads: options.reads?.(database.reads) ?? database.reads,
      ask: host.asker,
      clock,
      random: systemRandom,
      limits: options.limits ?? unlimited,
      passwords: options.passwords?.(ownPasswords()) ?? ownPasswords(),
      dialogueIds: new SignedDialogueIds({ key: 'of this server', clock, random: systemRandom }),
    },
    trustedProxies: new BlockList(),
    nextTraceId: traceIds(systemRandom),
    draining: new AbortController().signal,
  })
  const addresses = [{ host: '127.0.0.1', port: 0 }]
  const server = await HttpServer.listen({ addresses, key: 'TROUPE_LISTEN', handle, clock })
  stack.defer(() => server.close(0))
  const url = server.urls[0] ?? ''
  return {
    url,
    database,
    ask: host.asker,
    ownStates,
    call: (method, path, request = {}) => call(url, { method, path, ...request }),
    restart: async () => {
      await stack.disposeAsync()
      return start(parts)
    },
    [Symbol.asyncDispose]: async () => {
      await stack.disposeAsync()
      await parts.ground.disposeAsync()
    },
  }
}

function ownPasswords(): Passwords {
  const cost = passwordCosts.cheap
  return new ArgonPasswords({ cost, random: systemRandom, concurrency: 1, maxWaiting: 100 })
}

async function startHost(
  database: Database,
  stack: AsyncDisposableStack,
  ownStates: Map<string, OwnState>,
): Promise<ReturnType<typeof makeActorHost>> {
  const bus = stack.use(new MemoryBus(systemClock))
  const fanout = new Fanout()
  const hooks = new FeedHooks()
  const numbers = new NumberBlocks({
    takeEvents: () => takeEventNumbers(database.control),
    takeRooms: (count) => takeRoomNumbers(database.control, count),
  })
  // The cast is sound: it is the name that the configuration is given below.
  const name = serverName as ServerName
  const host = makeActorHost({
    database,
    bus,
    clock: systemClock,
    random: systemRandom,
    hostName: 'test',
    version: 'test',
    roles: ['actors'],
    committers: 1,
    shardCount: 64,
    hooks,
    definitions: [
      roomActor({ serverName: name, numbers, shardCount: 64 }),
      userActor({
        serverName: name,
        fanout,
        makeReading: (_context, userId, own) => {
          ownStates.set(userId, own)
          return {
            sync: () => Promise.reject(new Error('this server does not sync')),
            onMembershipHint: () => {},
            poke: () => {},
            waiting: 0,
            dispose: () => {},
          }
        },
      }),
      interactionActor(),
    ],
  })
  const services = { reads: database.reads, ask: host.asker, clock: systemClock }
  hooks.onShard(({ what, shard }) => {
    if (what === 'claimed') fanout.shardClaimed(shard, services)
    else fanout.shardLost(shard)
  })
  stack.defer(() => fanout.dispose())
  await host.start()
  return host
}

async function call(
  url: string,
  request: { method: string; path: string; token?: string; body?: JsonValue },
): Promise<Reply> {
  const { method, path, token, body } = request
  const response = await fetch(`${url}${path}`, {
    method,
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  const json: unknown = text === '' ? {} : JSON.parse(text)
  return {
    status: response.status,
    body: isJsonObject(json) ? json : { value: json as JsonValue },
    headers: response.headers,
  }
}
