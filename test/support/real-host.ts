/** Actor hosts on a real Postgres, several in one process over one bus, with counters as actors. */

import type { Bus } from '#actors/bus/bus.ts'
import { MemoryBus } from '#actors/bus/memory.ts'
import { systemClock, systemRandom } from '#actors/runtime/clock.ts'
import { PostgresClusterStore } from '#actors/runtime/cluster-postgres.ts'
import type { ActorContext } from '#actors/runtime/contract.ts'
import { openActorHost, type ActorHost } from '#actors/runtime/host.ts'
import type { CommitStore } from '#storage/commit.ts'
import { PostgresCommitStore } from '#storage/commit-postgres.ts'
import { openSql, type StorageOptions } from '#storage/connection.ts'
import { openDatabase, type Database } from '#storage/pool.ts'
import { counterActor, counterState, type CounterOptions, type CounterState } from './counter-actor.ts'
import { testDatabase, type TestDatabase } from './postgres.ts'

export interface RealHost extends AsyncDisposable {
  readonly host: ActorHost
  readonly database: Database
  /** In `pg_stat_activity`, the beginning of the name of each of its sessions. */
  readonly applicationName: string
}

export class RealWorld implements AsyncDisposable {
  readonly bus = new MemoryBus(systemClock)
  readonly shardCount: number
  readonly #test: TestDatabase
  readonly #stack = new AsyncDisposableStack()
  #hosts = 0

  constructor(test: TestDatabase, shardCount: number) {
    this.#test = test
    this.shardCount = shardCount
    this.#stack.use(test)
    this.#stack.use(this.bus)
  }

  static async open(shardCount = 16): Promise<RealWorld> {
    return new RealWorld(await testDatabase({ shardCount }), shardCount)
  }

  get database(): Database {
    return this.#test.database
  }

  /**
   * Starts a host with connections of its own, as another process would have. `mute`: its renewals fail while it is true. `committing`: the
   * role as which it commits.
   */
  async start(
    options: Partial<CounterOptions> & { mute?: () => boolean; bus?: Bus; committing?: string } = {},
  ): Promise<RealHost> {
    const name = `host${++this.#hosts}`
    const database = await openDatabase({ ...this.#test.options, applicationName: name })
    this.#stack.use(database)
    const { committing } = options
    const store = (): CommitStore =>
      committing === undefined
        ? database.commitStore()
        : this.#stack.use(committingAs(committing, { ...this.#test.options, applicationName: name }))
    const host = await openActorHost({
      bus: options.bus ?? this.bus,
      clock: systemClock,
      random: systemRandom,
      hostName: name,
      version: 'test',
      roles: ['actors'],
      shardCount: this.shardCount,
      definitions: [counterActor({ load: loadCounter, ...options })],
      cluster: muted(new PostgresClusterStore(database), options.mute ?? (() => false)),
      reads: database.reads,
      stores: [store(), store()],
    })
    this.#stack.defer(() => host.stop())
    return { host, database, applicationName: name, [Symbol.asyncDispose]: () => host.stop() }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync()
  }
}

/** What the log in Postgres holds of a counter. */
export async function loadCounter(context: ActorContext): Promise<CounterState> {
  const rows = await context.reads.sql<{ body: string; txnKey: Buffer | null }[]>`
    select body, txn_key as "txnKey" from log where shard_id = ${context.shard} order by pos`
  return counterState(
    context.key,
    rows.map(({ body, txnKey }) => ({
      body,
      ...(txnKey !== null && { txnKey: txnKey.toString('base64url') }),
    })),
  )
}

function committingAs(user: string, options: StorageOptions): PostgresCommitStore {
  if (typeof options.url === 'string') throw new Error('the test server is not behind a socket')
  const url = { ...options.url, user }
  return new PostgresCommitStore((onClose) =>
    openSql({ ...options, url }, { purpose: 'commit', max: 1, onClose }),
  )
}

function muted(store: PostgresClusterStore, mute: () => boolean): PostgresClusterStore {
  const renew = store.renew.bind(store)
  store.renew = (hostId, condition) =>
    mute() ? Promise.reject(new Error('no answer')) : renew(hostId, condition)
  return store
}
