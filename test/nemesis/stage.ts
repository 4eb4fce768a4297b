/** Where a scenario plays: a fresh cluster with a crowd in it, and what each fault cost the crowd. */

import type { Binaries } from '#storage/embedded/binaries.ts'
import type { Database } from '#storage/pool.ts'
import { startCrowd, type Crowd } from '../cluster/crowd.ts'
import type { Failure } from '../cluster/persistence.ts'
import { startReaders, type Readers } from '../cluster/readers.ts'
import { hostsCutOff, openBeside, shardsByHost } from '../cluster/stored.ts'
import { startArena, type Arena, type Environment, type Member } from './arena.ts'
import { startPostgres, type PostgresServer, type SmallPart } from './postgres-server.ts'

/** What one fault cost. */
export interface Cost {
  /** From the fault until every room had accepted a message and everybody had been told of it. */
  readonly recoveryMs: number
  /** The longest that a message under way had to wait for its acknowledgement. */
  readonly waitMs: number
  /** The longest that a read had to wait for its answer; 0 where nobody reads. */
  readonly readMs: number
  /** Attempts that clients had to repeat. */
  readonly failed: number
  /** The longest that such an attempt took to be refused. */
  readonly refusalMs: number
}

export interface StageOptions {
  readonly seed: number
  /** People talk and do nothing else, for what they would refer to may be lost. */
  readonly onlyTalk?: boolean
  readonly env?: Environment
  /** Of another PostgreSQL than the embedded one. */
  readonly binaries?: Binaries | undefined
  /** A part of the database that is on a small disk of its own. */
  readonly smallDisk?: SmallPart
  /** Absent: two. */
  readonly hosts?: number
  /** See `ArenaOptions`. */
  readonly natsNodes?: number
  /** Clients that only read; absent: none. */
  readonly readers?: number
  /** Longest pause between two messages of one client, milliseconds; absent: 400. */
  readonly thinkMs?: number
  readonly tell: (text: string) => void
}

const shards = 64
const settledMs = 30_000
/** Milliseconds between two reads of a reader. */
const readPauseMs = 20
/** After this time the fault has not been recovered from. */
const limitMs = 30_000

export class Stage implements AsyncDisposable {
  readonly arena: Arena
  /** The test's own connection to the database. */
  beside: Database
  readonly crowd: Crowd
  readonly readers: Readers | undefined
  /** That of the crowd. */
  readonly seed: number
  readonly costs: Cost[] = []
  readonly tell: (text: string) => void
  /** The server of this stage alone, which may be killed. */
  readonly postgres: PostgresServer
  readonly #stack: AsyncDisposableStack

  constructor(
    parts: Pick<Stage, 'arena' | 'beside' | 'crowd' | 'readers' | 'postgres' | 'seed' | 'tell'> & {
      stack: AsyncDisposableStack
    },
  ) {
    this.arena = parts.arena
    this.beside = parts.beside
    this.crowd = parts.crowd
    this.readers = parts.readers
    this.seed = parts.seed
    this.tell = parts.tell
    this.postgres = parts.postgres
    this.#stack = parts.stack
  }

  /**
   * Does harm and measures what it cost. Recovery is counted from the beginning of `act`, or from its end, for what lasts a while by itself.
   */
  async fault(
    what: string,
    act: () => unknown,
    counted: 'from the beginning' | 'from the end' = 'from the beginning',
  ): Promise<Cost> {
    const beganMs = performance.now()
    await act()
    const sinceMs = counted === 'from the beginning' ? beganMs : performance.now()
    const recoveryMs = await this.crowd.recovery(limitMs, sinceMs)
    const failures = this.failuresSince(beganMs)
    const cost = {
      recoveryMs,
      waitMs: this.crowd.longestWaitMs(beganMs),
      readMs: Math.max(0, ...this.readWaits(beganMs, performance.now())),
      failed: failures.length,
      refusalMs: Math.max(0, ...failures.map(({ tookMs }) => tookMs)),
    }
    this.costs.push(cost)
    this.tell(
      `${what}: recovered after ${ms(recoveryMs)}, longest wait ${ms(cost.waitMs)}, ${cost.failed} attempts failed`,
    )
    const reasons = new Set(
      failures.map(({ status, why }) => (status === undefined ? why : `status ${status}`)),
    )
    for (const reason of [...reasons].slice(0, 5)) this.tell(`    ${reason.slice(0, 160)}`)
    return cost
  }

  /** Attempts of clients that came to nothing since then. */
  failuresSince(fromMs: number): Failure[] {
    return [...this.crowd.failuresSince(fromMs), ...(this.readers?.failuresSince(fromMs) ?? [])]
  }

  /** How long reads took that were under way in that time, as far as they lie in it, milliseconds. */
  readWaits(fromMs: number, toMs: number): number[] {
    return this.readers?.waits(fromMs, toMs) ?? []
  }

  /** From now on all clients go to these gateways. */
  prefer(urls: readonly string[]): void {
    this.crowd.prefer(urls)
    this.readers?.prefer(urls)
  }

  /** Resolves when the living hosts share all shards evenly, but for those that were cut off from the bus: for a while they own none. */
  async settled(): Promise<void> {
    let seen = 'nothing is known of them'
    await this.crowd.until(
      async () => {
        const [owned, cutOff] = await Promise.all([shardsByHost(this.beside), hostsCutOff(this.beside)])
        const { hosts } = this.arena
        const sharing = hosts.filter(({ name }) => !cutOff.has(name))
        const least = Math.floor(shards / sharing.length)
        seen = hosts
          .map(({ name }) => `${name} ${cutOff.has(name) ? 'cut off, ' : ''}${owned.get(name) ?? 0}`)
          .join('; ')
        if (hosts.some(({ name }) => cutOff.has(name) && owned.has(name))) return false
        return sharing.length > 0 && sharing.every(({ name }) => (owned.get(name) ?? 0) >= least)
      },
      settledMs,
      () => `the hosts do not share the shards: ${seen}`,
    )
  }

  /** How many shards a host owns now. */
  async shardsOf({ name }: Member): Promise<number> {
    return (await shardsByHost(this.beside)).get(name) ?? 0
  }

  /** The epochs of all shards since the incarnation began, added: it grows by one with every claim. */
  async claims(): Promise<number> {
    const [row] = await this.beside.reads.sql<
      { epochs: number }[]
    >`select sum(epoch % 1000000)::bigint as epochs from shard`
    return row?.epochs ?? 0
  }

  /** What a scenario makes that must live as long as the stage does. It is disposed before the cluster is. */
  lasting(): AsyncDisposableStack {
    const lasting = new AsyncDisposableStack()
    this.#stack.defer(() => lasting.disposeAsync())
    return lasting
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync()
  }
}

/** Builds the stage: a PostgreSQL of its own, NATS, hosts, two gateways, and eight people in six rooms who talk. */
export async function startStage(options: StageOptions): Promise<Stage> {
  await using stack = new AsyncDisposableStack()
  const postgres = stack.use(await startPostgres(options.binaries, options.smallDisk))
  const { address } = postgres
  const arena = stack.use(
    await startArena({
      hosts: options.hosts ?? 2,
      gateways: 2,
      database: address,
      ...(options.natsNodes !== undefined && { natsNodes: options.natsNodes }),
      ...(options.env && { env: options.env }),
    }),
  )
  const beside = stack.use(await openBeside(address))
  const crowd = stack.use(
    await startCrowd({
      urls: arena.urls,
      database: beside,
      seed: options.seed,
      users: 8,
      rooms: 6,
      thinkMs: options.thinkMs ?? 400,
      ...(options.onlyTalk === true ? {} : { errandMs: 1500 }),
      patienceMs: 90_000,
    }),
  )
  const { readers: count = 0 } = options
  const readers =
    count === 0
      ? undefined
      : stack.use(
          await startReaders({ urls: arena.urls, roomIds: crowd.roomIds, count, pauseMs: readPauseMs }),
        )
  const stage = new Stage({
    arena,
    beside,
    crowd,
    readers,
    postgres,
    seed: options.seed,
    tell: options.tell,
    stack: stack.move(),
  })
  await stage.settled()
  // First syncs cost more than all that follow: they are not what is measured.
  await crowd.recovery(limitMs)
  return stage
}

/** One of several, in turn. */
export function inTurn<T>(list: readonly T[], n: number): T {
  const chosen = list[n % list.length]
  if (chosen === undefined) throw new Error('there is nothing to choose from')
  return chosen
}

export function ms(value: number): string {
  return `${value.toFixed(0)} ms`
}
