/**
 * Construction, top to bottom, in this one file: configuration → storage → bus → actors → gateway. Disposed in reverse. Nothing else
 * makes one of these parts, and none of them knows another but by what it is given here. (The actors are put together in
 * `compose-actors.ts`, for the simulator does it, too.)
 */

import { availableParallelism } from 'node:os'
import { hasAccounts } from '#storage/users/accounts.ts'
import { checkIncarnation } from '#storage/cluster/incarnation.ts'
import { setDraining } from '#storage/cluster/leases.ts'
import { getOrCreateSecret } from '#storage/cluster/secrets.ts'
import { makeDataDirectory } from '#storage/data-directory.ts'
import { startEmbedded } from '#storage/embedded.ts'
import { initialise, migrate } from '#storage/migrate.ts'
import { type Database, openDatabase } from '#storage/pool.ts'
import type { Bus } from '#actors/bus/bus.ts'
import { MemoryBus } from '#actors/bus/memory.ts'
import type { Asker } from '#actors/runtime/client.ts'
import { startActorClient } from '#actors/runtime/client-process.ts'
import { systemClock, systemRandom } from '#actors/runtime/clock.ts'
import { PostgresClusterStore } from '#actors/runtime/cluster-postgres.ts'
import { FeedHooks } from '#actors/runtime/feed-hooks.ts'
import { askHostStatus, type HostStatus, HostStatusServer } from '#actors/runtime/host-status.ts'
import { Membership } from '#actors/runtime/membership.ts'
import { defaultShardCount } from '#actors/runtime/shards.ts'
import { clusterEndpoint } from './admin/cluster.ts'
import { clusterForCommandsEndpoint } from './admin/cluster-for-commands.ts'
import { type OwnProcess, readClusterView } from './admin/cluster-view.ts'
import { createUserEndpoint } from './admin/create-user.ts'
import { drainHostEndpoint } from './admin/drain-host.ts'
import { sharedLook } from './admin/look.ts'
import { SignedDialogueIds } from './client/dialogue-ids.ts'
import { clientEndpoints } from './client/endpoints.ts'
import { composeActors } from './compose-actors.ts'
import { composeSessions } from './compose-sessions.ts'
import type { Config } from './config/schema.ts'
import { committers, readConnections } from './connections.ts'
import { consoleEndpoints } from './console/endpoints.ts'
import { frontPageEndpoint } from './front-page.ts'
import type { AnyEndpoint } from './http/endpoint.ts'
import { createPipeline } from './http/pipeline.ts'
import { RateLimiter, unlimited } from './http/rate-limit.ts'
import { traceIds } from './http/request.ts'
import { Router } from './http/router.ts'
import { HttpServer } from './http/server.ts'
import { healthEndpoints, Readiness } from './ops/health.ts'
import { listenForOperators } from './ops/listener.ts'
import { Recent } from './ops/recent.ts'
import { ArgonPasswords, passwordCosts } from './passwords.ts'
import { hostStatus, processStatus, type ProcessIdentity } from './process-status.ts'
import { type Compose, operatorTokenName, type Running } from './running.ts'
import { programVersion } from './version.ts'

const clock = systemClock
const random = systemRandom
const shardCount = defaultShardCount
const registrationTokenName = 'registration_token'
/** Of the key that signs the ids of interactive authentication. */
const dialogueKeyName = 'dialogue_key'

/** Milliseconds for what is under way when the process ends; the whole end takes less than five seconds. */
const closingMs = 2_500
/** Password hashes that may wait for a thread; more are refused with a delay. */
const maxWaitingPasswords = 500
/** Of a folder that only its owner may look into. */
const privateMode = 0o700
/** A host that has not told of itself for so long is shown as silent. */
const hostAnswerMs = 700
/** A gateway that has not seen the ends of sessions for so long is not ready. */
const sessionsLateMs = 5_000

/** What is passed down while composing: it collects what has to be disposed. */
interface Ground {
  readonly config: Config
  readonly stack: AsyncDisposableStack
  readonly onProgress: (text: string) => void
  /** See `ComposeOptions`. */
  readonly cut: AbortSignal | undefined
  readonly readiness: Readiness
  /** Where what this process commits goes on to. */
  readonly hooks: FeedHooks
  readonly identity: ProcessIdentity
  /** The id under which this process is a member of the cluster at present. */
  readonly hostId: () => string | undefined
  /** What operators are told of the last minutes. */
  readonly recent: Recent
}

export const compose: Compose = async (config, { onProgress, cut }) => {
  await using stack = new AsyncDisposableStack()
  const readiness = new Readiness()
  const identity = { name: config.hostName, version: programVersion() }
  const recent = stack.use(new Recent(clock))
  const hooks = new FeedHooks()
  let ownId: string | undefined
  hooks.onHost((hostId) => (ownId = hostId))
  const hostId = (): string | undefined => ownId
  const ground: Ground = { config, stack, onProgress, cut, readiness, hooks, identity, hostId, recent }
  const database = await openStorage(ground)
  const bus = await openBus(ground)
  const ask = config.roles.has('actors')
    ? await startActors(ground, database, bus)
    : await startAsking(ground, database, bus)
  const operatorToken = await secret(database, operatorTokenName)
  const parts = { database, bus, ask, operatorToken }
  const gateway = config.roles.has('gateway') ? await startGateway(ground, parts) : undefined
  const operators = config.metricsListen && (await startOperators(ground, database, config.metricsListen))
  const isEmpty = !(await hasAccounts(database.reads))
  const owned = stack.move()
  const running: Running = {
    listening: gateway?.urls ?? [],
    operatorListening: operators?.urls ?? [],
    registrationToken: config.registration === 'token' ? gateway?.registrationToken : undefined,
    isEmpty,
    operatorToken,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
  return running
}

async function openStorage({ config, stack, onProgress, cut }: Ground): Promise<Database> {
  onProgress('Opening the database.')
  const url =
    config.databaseUrl ??
    stack.use(await startEmbedded({ dataDirectory: config.dataDir, onProgress, cut })).address
  const database = stack.use(
    await openDatabase({
      url,
      reads: readConnections,
      statementTimeoutMs: 5_000,
      lockTimeoutMs: 3_000,
      idleInTransactionMs: 2_000,
      applicationName: `troupe ${config.hostName}`,
      cut,
    }),
  )
  await migrate(database, { onProgress })
  await initialise(database, { serverName: config.serverName, shardCount })
  await checkIncarnation(database.control)
  return database
}

async function openBus({ config, stack, onProgress, cut, readiness }: Ground): Promise<Bus> {
  const urls = config.natsUrls
  if (urls === undefined || urls.length === 0) return stack.use(new MemoryBus(clock))
  onProgress('Connecting to NATS.')
  const tls = { caFile: config.natsCa, certFile: config.natsCert, keyFile: config.natsKey }
  const { connectNatsBus } = await import('#actors/bus/nats.ts')
  const bus = stack.use(
    await connectNatsBus({ url: urls.join(','), name: config.hostName, tls, clock, random, cut }),
  )
  readiness.add('bus', () => (bus.healthy ? undefined : 'not connected to NATS'))
  return bus
}

/** A process with the actors role: it owns shards, follows logs for its users, and asks itself first. */
async function startActors(ground: Ground, database: Database, bus: Bus): Promise<Asker> {
  const { config, stack, onProgress, readiness, hooks } = ground
  onProgress('Claiming shards.')
  const { host, leader } = await composeActors(stack, {
    database,
    bus,
    clock,
    random,
    serverName: config.serverName,
    hostName: config.hostName,
    version: programVersion(),
    roles: [...config.roles],
    weight: config.hostWeight,
    committers,
    shardCount,
    hooks,
    sole: config.databaseUrl === undefined,
    cut: ground.cut,
  })
  const status = (): HostStatus => hostStatus(ground.identity, ground.recent, { host, leader })
  stack.use(new HostStatusServer({ bus, hooks, read: status }))
  await host.start()
  readiness.add('actors', () => host.lack)
  return host.asker
}

/** A process without actors: it knows who owns what, and asks. */
async function startAsking(ground: Ground, database: Database, bus: Bus): Promise<Asker> {
  const { config, stack, hooks, identity } = ground
  const membership = stack.use(
    new Membership({
      ...identity,
      store: new PostgresClusterStore(database),
      bus,
      clock,
      random,
      roles: [...config.roles],
      onHost: (hostId) => hooks.host(hostId),
    }),
  )
  await membership.start()
  return stack.use(await startActorClient({ database, bus, clock, random, shardCount })).asker
}

interface Gateway {
  readonly urls: readonly string[]
  readonly registrationToken: string
}

interface GatewayParts {
  readonly database: Database
  readonly bus: Bus
  readonly ask: Asker
  readonly operatorToken: string
}

async function startGateway(ground: Ground, parts: GatewayParts): Promise<Gateway> {
  const { database, bus, ask, operatorToken } = parts
  const { stack, readiness, hooks } = ground
  const { reads } = database
  const [registrationToken, dialogueKey, sessions] = await Promise.all([
    ground.config.registrationToken ?? secret(database, registrationTokenName),
    secret(database, dialogueKeyName),
    composeSessions(stack, { reads, clock, hooks }),
    makeDataDirectory(ground.config.dataDir, privateMode),
  ])
  const config: Config = { ...ground.config, registrationToken }
  readiness.add('sessions', () =>
    clock.monotonic() - sessions.rows.seenAtMonotonicMs() < sessionsLateMs
      ? undefined
      : 'the database does not answer',
  )
  const limits = config.rateLimits ? new RateLimiter({ clock }) : unlimited
  const passwords = new ArgonPasswords({
    cost: passwordCosts[config.passwordHash],
    random,
    concurrency: Math.max(1, availableParallelism() - 1),
    maxWaiting: maxWaitingPasswords,
  })
  const dialogueIds = new SignedDialogueIds({ key: dialogueKey, clock, random })
  const router = new Router([
    ...clientEndpoints,
    ...healthEndpoints(readiness),
    frontPageEndpoint(readiness, programVersion()),
    createUserEndpoint(operatorToken),
    ...operatorEndpoints(ground, { database, bus, operatorToken }),
    ...consoleEndpoints(),
  ])
  const draining = new AbortController()
  const handle = createPipeline({
    router,
    sessions: sessions.cache,
    services: { config, reads, ask, clock, random, passwords, limits, dialogueIds },
    trustedProxies: config.trustedProxies,
    nextTraceId: traceIds(random),
    draining: draining.signal,
  })
  const server = await HttpServer.listen({ addresses: config.listen, key: 'TROUPE_LISTEN', handle, clock })
  stack.defer(async () => {
    readiness.drain()
    draining.abort()
    await server.close(closingMs)
  })
  return { urls: server.urls, registrationToken }
}

/** What an operator sees of the cluster, and does with it. */
function operatorEndpoints(
  { hostId, identity, recent }: Ground,
  parts: { readonly database: Database; readonly bus: Bus; readonly operatorToken: string },
): readonly AnyEndpoint[] {
  const { bus, database, operatorToken } = parts
  const { reads } = database
  const askHost = (hostId: string): Promise<HostStatus | undefined> =>
    askHostStatus(bus, hostId, hostAnswerMs)
  const own = (): OwnProcess => ({ hostId: hostId(), status: processStatus(identity, recent) })
  const look = sharedLook(() => readClusterView({ reads, askHost, own: own() }), clock)
  return [
    clusterEndpoint(look),
    clusterForCommandsEndpoint(look, operatorToken),
    drainHostEndpoint((id, draining) => setDraining(database.control, id, draining)),
  ]
}

async function startOperators(
  { stack, readiness }: Ground,
  database: Database,
  addresses: NonNullable<Config['metricsListen']>,
): Promise<HttpServer> {
  const { Metrics } = await import('./ops/metrics.ts')
  const metrics = stack.use(new Metrics(() => database.loads.read()))
  const server = await listenForOperators({ addresses, readiness, metrics, clock })
  stack.defer(() => server.close(0))
  return server
}

/** A secret of the whole cluster, made by whoever needs it first. */
function secret(database: Database, name: string): Promise<string> {
  return getOrCreateSecret(database.control, name, () => Buffer.from(random.bytes(24)).toString('base64url'))
}
