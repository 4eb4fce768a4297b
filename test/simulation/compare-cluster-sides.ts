/** The two databases of a comparison of clusters: a real one, and the simulated server on which every statement takes no time. */

import * as heads from '#storage/cluster/heads.ts'
import * as incarnation from '#storage/cluster/incarnation.ts'
import * as leases from '#storage/cluster/leases.ts'
import * as shards from '#storage/cluster/shards.ts'
import type { Database } from '#storage/pool.ts'
import type { Reads } from '#storage/reads.ts'
import type { Session } from '#storage/session.ts'
import { Kernel, Process } from './kernel.ts'
import { ModelAccess } from './model/access.ts'
import * as modelHeads from './model/cluster/heads.ts'
import * as modelIncarnation from './model/cluster/incarnation.ts'
import * as modelLeases from './model/cluster/leases.ts'
import * as modelShards from './model/cluster/shards.ts'
import { Connection, Server } from './server.ts'

/** What is compared. */
type Functions = typeof modelHeads & typeof modelIncarnation & typeof modelLeases & typeof modelShards

export interface Side {
  readonly functions: Functions
  readonly reads: Reads
  /** For all statements but those of leases: to a session that holds the lock of a host's id, that lock is free. */
  readonly control: Session
  /** A session of a host. */
  open(): Promise<Session>
  /** Ends a session. The server knows of it when this has resolved. */
  end(session: Session): Promise<void>
  /** The answer to something that was asked. */
  answer<T>(asked: Promise<T>): Promise<T>
  wait(ms: number): Promise<void>
  /** Begins with an incarnation, no host, and nothing written. */
  begin(incarnation: number): Promise<void>
  write(row: heads.Head): Promise<void>
  /** Makes the server another than the one seen last. */
  changeServer(): Promise<void>
  /** What no function tells. */
  counts(): Promise<{ readonly incarnation: number; readonly oneTimeKeys: number }>
}

export interface RealSide extends Side {
  /** Takes back the time that has passed by itself, by when each host has renewed its lease. */
  setRenewals(renewedMsAgo: ReadonlyMap<number, number>): Promise<void>
}

/** Waits until the server has been up for so long that a free lock counts. */
export async function realSide(database: Database): Promise<RealSide> {
  const { control, reads } = database
  const { sql } = control
  const pids = new Map<Session, number>()
  // What is done here need not outlast the server.
  await sql`select set_config('synchronous_commit', 'off', false)`
  await sql`select pg_sleep(greatest(0, 5.1 - extract(epoch from clock_timestamp() - pg_postmaster_start_time())))`
  return {
    functions: { ...heads, ...incarnation, ...leases, ...shards },
    reads,
    control,
    answer: (asked) => asked,
    async open() {
      const session = database.session('lease')
      const [row] = await session.sql<{ pid: number }[]>`select pg_backend_pid() as pid`
      if (row !== undefined) pids.set(session, row.pid)
      return session
    },
    async end(session) {
      await session[Symbol.asyncDispose]()
      // Its process lets go of its locks a moment later.
      await sql`select pg_terminate_backend(${pids.get(session) ?? 0}::integer, 5000)`
    },
    async wait(ms) {
      await sql`update host_lease set expires_at = expires_at - ${ms}::integer * interval '1 ms'`
    },
    async begin(value) {
      await sql`update shard set epoch = 0, owner = null`
      await sql`update cluster set incarnation = ${value}, timeline = database_timeline()`
      for (const table of ['host_lease', 'log', 'one_time_key', 'shard_move'])
        await sql`delete from ${sql(table)}`
    },
    async write({ shard, epoch, pos }) {
      await sql`insert into log (shard_id, pos, epoch, kind) values (${shard}, ${pos}, ${epoch}, 1)`
      await sql`
        insert into one_time_key (user_id, device_id, algorithm, key_id, json, seq)
        values ('@u:test', 'D', 'a', ${`${shard}-${pos}`}, '{}', ${pos})`
    },
    async changeServer() {
      await sql`update cluster set timeline = timeline - 1`
    },
    async counts() {
      const [row] = await reads.sql<{ incarnation: number; oneTimeKeys: number }[]>`
        select incarnation, (select count(*) from one_time_key) as "oneTimeKeys" from cluster`
      if (row === undefined) throw new Error('there is no cluster')
      return row
    },
    async setRenewals(renewedMsAgo) {
      const leftMs = [...renewedMsAgo.values()].map((ms) => leases.leaseMs - ms)
      await sql`
        update host_lease h set expires_at = clock_timestamp() + l.ms * interval '1 ms'
        from unnest(${[...renewedMsAgo.keys()]}::bigint[], ${leftMs}::bigint[]) as l (host_id, ms) where h.host_id = l.host_id`
    },
  }
}

/** Its clock begins at a moment, epoch milliseconds. */
export async function modelSide(shardCount: number, nowMs = 0): Promise<Side> {
  const never = { fraction: () => 0, bytes: (length: number) => new Uint8Array(length) }
  const kernel = new Kernel(never)
  const server = new Server(kernel, shardCount)
  const process = new Process(kernel, 'all', never)
  const open = (): ModelAccess => new ModelAccess(new Connection(server, process, { ordered: true }))
  await kernel.advance(nowMs)
  return {
    functions: { ...modelHeads, ...modelIncarnation, ...modelLeases, ...modelShards },
    reads: open(),
    control: open(),
    answer: (asked) => Promise.all([asked, kernel.advance(0)]).then(() => asked),
    open: () => Promise.resolve(open()),
    end: (session) => session[Symbol.asyncDispose](),
    wait: (ms) => kernel.advance(ms),
    async begin(value) {
      server.change((tables) => (tables.incarnation = value))
    },
    async write({ shard, epoch, pos }) {
      const nothing = { roomNid: null, eventNid: null, userId: null, membership: null, prevMembership: null }
      const none = { ...nothing, stateRoot: null, tips: null, txnKey: null, body: null, userShards: null }
      const device = { user_id: '@u:test', device_id: 'D', algorithm: 'a' }
      server.change((tables) => {
        tables.append({ shard, pos, epoch, kind: 1, ...none })
        tables.apply('one_time_key', { ...device, key_id: `${shard}-${pos}`, json: '{}', seq: pos })
      })
    },
    async changeServer() {
      server.change((tables) => (tables.timeline -= 1))
    },
    async counts() {
      const { tables } = server
      return { incarnation: tables.incarnation, oneTimeKeys: tables.all('one_time_key').length }
    },
  }
}
