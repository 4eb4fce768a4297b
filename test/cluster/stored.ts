/** What the database says about a run: its half of the history. */

import { openDatabase, type Database } from '#storage/pool.ts'
import type { StorageOptions } from '#storage/connection.ts'
import { logKinds } from '#storage/log-kinds.ts'
import type { LogRow, OwnerSeen, StoredEvent } from './history.ts'

/** A connection of the test's own, beside the server's. */
export function openBeside(url: StorageOptions['url']): Promise<Database> {
  return openDatabase({
    url,
    reads: 2,
    statementTimeoutMs: 20_000,
    lockTimeoutMs: 5000,
    idleInTransactionMs: 2000,
    applicationName: 'checker',
  })
}

/** All rows of all logs, ascending by shard and position. */
export async function readLog({ reads }: Database): Promise<LogRow[]> {
  return reads.sql<LogRow[]>`select shard_id as shard, pos, epoch from log order by shard_id, pos`
}

/** The live events of these rooms, ascending by position. */
export async function readEvents({ reads }: Database, roomIds: readonly string[]): Promise<StoredEvent[]> {
  interface Row {
    readonly event_id: string
    readonly room_id: string
    readonly txn: string | null
    readonly json: string
    readonly pos: number
  }
  const rows = await reads.sql<Row[]>`
    select e.event_id, r.room_id, e.txn, e.json, l.pos
    from room r join log l on l.room_nid = r.room_nid and l.kind = ${logKinds.event}
      join event e on e.event_nid = l.event_nid
    where r.room_id in ${reads.sql(roomIds)} order by l.shard_id, l.pos`
  return rows.map((row) => {
    // The cast is sound: what the database holds was built by the server under test.
    const json = JSON.parse(row.json) as StoredJson
    return {
      eventId: row.event_id,
      roomId: row.room_id,
      type: json.type,
      stateKey: json.state_key,
      sender: json.sender,
      txn: row.txn ?? undefined,
      body: json.content.body,
      mentions: json.content['m.mentions']?.user_ids ?? [],
      pos: row.pos,
      prevEvents: json.prev_events,
      depth: json.depth,
    }
  })
}

interface StoredJson {
  readonly type: string
  readonly state_key?: string
  readonly sender: string
  readonly content: {
    readonly body?: string
    readonly 'm.mentions'?: { readonly user_ids?: readonly string[] }
  }
  readonly prev_events: readonly string[]
  readonly depth: number
}

/** Who owns how many shards now, by the name of the host; only hosts that are alive. */
export async function shardsByHost({ reads }: Database): Promise<Map<string, number>> {
  const rows = await reads.sql<{ name: string; shards: number }[]>`
    select h.name, count(*)::integer as shards from shard s join host_lease h on h.host_id = s.owner
    where h.expires_at > clock_timestamp() group by h.name`
  return new Map(rows.map(({ name, shards }) => [name, shards]))
}

/** Hosts that take no shards for a while, for they were cut off from the bus when others were not; only those that are alive. */
export async function hostsCutOff({ reads }: Database): Promise<Set<string>> {
  const rows = await reads.sql<{ name: string }[]>`
    select name from host_lease where condition = 'cut off' and expires_at > clock_timestamp()`
  return new Set(rows.map(({ name }) => name))
}

/** Looks who owns the shards, five times a second, until disposed. */
export class OwnerWatch implements Disposable {
  readonly #seen = new Map<string, OwnerSeen>()
  readonly #timer: NodeJS.Timeout

  constructor(database: Database) {
    this.#timer = setInterval(() => void this.#look(database), 200)
  }

  get seen(): OwnerSeen[] {
    return [...this.#seen.values()]
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }

  async #look({ reads }: Database): Promise<void> {
    try {
      const rows = await reads.sql<OwnerSeen[]>`
        select shard_id as shard, epoch, owner from shard where owner is not null`
      for (const row of rows) this.#seen.set(`${row.shard} ${row.epoch} ${row.owner}`, row)
    } catch {
      // The database may be away during a test; what is not seen now is seen later or not at all.
    }
  }
}
