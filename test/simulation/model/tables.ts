/**
 * The database as data: every table that actors read or write, with the rows in the words of their columns. It holds what one Postgres
 * holds; who may reach it, and what goes wrong on the way, is in `server.ts`.
 */

import type { HostCondition } from '#storage/cluster/leases.ts'
import type { WriteKind } from '#storage/writes.ts'

/** A row of the log; ids of state nodes and transaction keys as base64url. */
export interface LogRecord {
  readonly shard: number
  readonly pos: number
  readonly epoch: number
  readonly kind: number
  readonly roomNid: number | null
  readonly eventNid: number | null
  readonly userId: string | null
  readonly membership: number | null
  readonly prevMembership: number | null
  readonly stateRoot: string | null
  readonly tips: readonly number[] | null
  readonly txnKey: string | null
  readonly body: string | null
  readonly userShards: string | null
}

/** A row of any other table, by column. */
export type Row = Readonly<Record<string, unknown>>

export interface ShardRecord {
  epoch: number
  owner: number | undefined
}

export interface HostRecord {
  readonly hostId: number
  readonly name: string
  readonly version: string
  readonly roles: string
  readonly weight?: number | undefined
  condition?: HostCondition | undefined
  draining: boolean
  /** By the database's clock, milliseconds. */
  expiresAtMs: number
}

/** How far the sweep of a log has come: a row of `sweep`. */
export interface SweepRecord {
  readonly pos: number
  readonly ripePos: number
  readonly seenPos: number
  /** By the database's clock, epoch milliseconds. */
  readonly seenAtMs: number
  readonly sessionPos: number
}

/** How a table is written by key. */
interface KeyRule {
  readonly key: readonly string[]
  /** A row that is there stays as it is. */
  readonly first?: true
  /** The row has a column `kept_pos`, which the sweep alone writes. */
  readonly kept?: true
}

const keyed: Partial<Record<WriteKind, KeyRule>> = {
  room: { key: ['room_nid'], first: true },
  state_node: { key: ['room_nid', 'id'], first: true },
  relation: { key: ['room_nid', 'parent_id', 'event_nid'], first: true },
  receipt: { key: ['room_nid', 'user_id', 'receipt_type', 'thread_id'], kept: true },
  account: { key: ['user_id'] },
  access_token: { key: ['token_hash'] },
  refresh_token: { key: ['token_hash'] },
  login_token: { key: ['token_hash'] },
  profile: { key: ['user_id', 'key'] },
  account_data: { key: ['user_id', 'room_id', 'type'], kept: true },
  unread: { key: ['user_id', 'room_id'] },
  one_time_key: { key: ['user_id', 'device_id', 'algorithm', 'key_id'] },
  fallback_key: { key: ['user_id', 'device_id', 'algorithm'] },
  to_device: { key: ['user_id', 'device_id', 'pos', 'sub'], first: true },
  cursor: { key: ['kind', 'target', 'source'] },
}

export class Tables {
  readonly shards: ShardRecord[]
  /** What there is of each log; what has been swept is gone from here and from all that follow. */
  readonly logs: LogRecord[][]
  readonly hosts = new Map<number, HostRecord>()
  readonly byRoom = new Map<number, LogRecord[]>()
  readonly byUser = new Map<string, LogRecord[]>()
  readonly byTxnKey = new Map<string, LogRecord>()
  readonly sweeps = new Map<number, SweepRecord>()
  /** Every row that was ever appended to each log, swept ones too: for whoever judges a run, never for a query. */
  readonly history: LogRecord[][]
  readonly historyOfRooms = new Map<number, LogRecord[]>()
  readonly events = new Map<number, Row>()
  readonly eventIds = new Map<string, number>()
  readonly roomIds = new Map<string, number>()
  readonly devices = new Map<string, Row>()
  /** One-time keys that were given out, by the key of their table. */
  readonly claimedKeys = new Map<string, Row>()
  /** The database's clock at the change that is made, epoch milliseconds. */
  nowMs = 0
  incarnation = 1
  timeline = 1
  nextEventNumber = 1
  nextRoomNumber = 1
  readonly #rows = new Map<WriteKind, Map<string, Row>>()

  constructor(shardCount: number) {
    this.shards = Array.from({ length: shardCount }, () => ({ epoch: 0, owner: undefined }))
    this.logs = this.shards.map(() => [])
    this.history = this.shards.map(() => [])
  }

  headOf(shard: number): number {
    return this.logs[shard]?.at(-1)?.pos ?? 0
  }

  append(record: LogRecord): void {
    this.logs[record.shard]?.push(record)
    this.history[record.shard]?.push(record)
    if (record.roomNid !== null) {
      this.byRoom.getOrInsertComputed(record.roomNid, () => []).push(record)
      this.historyOfRooms.getOrInsertComputed(record.roomNid, () => []).push(record)
    }
    if (record.userId !== null) this.byUser.getOrInsertComputed(record.userId, () => []).push(record)
    if (record.txnKey !== null) this.byTxnKey.set(record.txnKey, record)
  }

  /** Deletes a row of a log. */
  sweep(record: LogRecord): void {
    remove(this.logs[record.shard], record)
    if (record.roomNid !== null) remove(this.byRoom.get(record.roomNid), record)
    if (record.userId !== null) remove(this.byUser.get(record.userId), record)
    if (record.txnKey !== null) this.byTxnKey.delete(record.txnKey)
  }

  /** Notes that the row of the log at the position of this row is the one of its key that the sweep has left. */
  keep(kind: 'receipt' | 'account_data', row: Row): void {
    const key = JSON.stringify(keyed[kind]?.key.map((column) => row[column]))
    this.#rows.get(kind)?.set(key, { ...row, kept_pos: row['pos'] })
  }

  /** Every row of a table, in no order that means anything. */
  all(kind: WriteKind): Row[] {
    return [...(this.#rows.get(kind)?.values() ?? [])]
  }

  get(kind: WriteKind, ...key: readonly unknown[]): Row | undefined {
    return this.#rows.get(kind)?.get(JSON.stringify(key))
  }

  /** What `apply_<kind>` does with one row. */
  apply(kind: WriteKind, row: Row): void {
    switch (kind) {
      case 'event':
        return this.#applyEvent(row)
      case 'event_redaction':
        return this.#redact(row)
      case 'device':
        return this.#applyDevice(row)
      case 'device_removal':
        return this.#removeOfDevice(row)
      case 'relation_removal':
        return this.#deleteWhere('relation', row, ['room_nid', 'event_nid'])
      case 'to_device_ack': {
        const upTo = Number(row['pos'])
        return this.#deleteWhere(
          'to_device',
          row,
          ['user_id', 'device_id'],
          (one) => Number(one['pos']) <= upTo,
        )
      }
      default:
        return this.#applyKeyed(kind, row)
    }
  }

  #applyKeyed(kind: WriteKind, row: Row): void {
    const rule = keyed[kind]
    if (rule === undefined) throw new Error(`the model has no table ${kind}: add it to model/tables.ts`)
    const rows = this.#rows.getOrInsertComputed(kind, () => new Map())
    const key = JSON.stringify(rule.key.map((column) => row[column]))
    const known = rows.get(key)
    if (kind === 'one_time_key' && row['deleted'] === true && known !== undefined)
      this.claimedKeys.set(key, { ...known, claimed_at: this.nowMs })
    if (row['deleted'] === true) rows.delete(key)
    else if (rule.first !== true || known === undefined)
      rows.set(key, rule.kept === true ? { ...row, kept_pos: known?.['kept_pos'] ?? null } : row)
    if (kind === 'room') this.roomIds.set(String(row['room_id']), Number(row['room_nid']))
  }

  #applyEvent(row: Row): void {
    const nid = Number(row['event_nid'])
    const known = this.events.get(nid)
    if (known === undefined) {
      this.events.set(nid, { ...row, redacted_by: null, pos: row['pos'] ?? null })
      this.eventIds.set(String(row['event_id']), nid)
    } else if (known['pos'] === null && row['pos'] != null)
      this.events.set(nid, { ...known, pos: row['pos'] })
  }

  #redact(row: Row): void {
    const nid = Number(row['event_nid'])
    const event = this.events.get(nid)
    if (event !== undefined)
      this.events.set(nid, { ...event, redacted_by: row['redacted_by'], json: row['json'] })
  }

  /** A row without `created_at` changes a device that is there and makes none. */
  #applyDevice(row: Row): void {
    const key = JSON.stringify([row['user_id'], row['device_id']])
    const { deleted, ...given } = row
    if (deleted === true) return void this.devices.delete(key)
    const known = this.devices.get(key)
    if (known === undefined && row['created_at'] == null) return
    this.devices.set(key, {
      display_name: null,
      last_seen_ts: null,
      last_seen_ip: null,
      keys: null,
      ...known,
      ...given,
    })
  }

  #removeOfDevice(row: Row): void {
    for (const kind of [
      'access_token',
      'refresh_token',
      'one_time_key',
      'fallback_key',
      'to_device',
    ] as const)
      this.#deleteWhere(kind, row, ['user_id', 'device_id'])
    for (const [key, claimed] of this.claimedKeys)
      if (claimed['user_id'] === row['user_id'] && claimed['device_id'] === row['device_id'])
        this.claimedKeys.delete(key)
  }

  /** None of a table is left. */
  clear(kind: WriteKind): void {
    this.#rows.delete(kind)
  }

  #deleteWhere(
    kind: WriteKind,
    like: Row,
    columns: readonly string[],
    also: (row: Row) => boolean = () => true,
  ): void {
    const rows = this.#rows.get(kind)
    for (const [key, row] of rows ?? [])
      if (columns.every((column) => row[column] === like[column]) && also(row)) rows?.delete(key)
  }
}

function remove(records: LogRecord[] | undefined, record: LogRecord): void {
  const at = records?.indexOf(record) ?? -1
  if (at !== -1) records?.splice(at, 1)
}
