/**
 * Merges the rows of a group into as few runs as possible, so that each kind is one statement, without changing what comes of
 * them: the order of effects is that of the puts. Rows of different tables never influence each other, for the schema has no
 * foreign keys; so a row may join an earlier run of its kind unless a later run touches one of its tables. Within a run each key
 * occurs once, for `insert … on conflict` cannot change a row twice.
 */

import type { PutRow } from './shard-writes.ts'
import type { WriteKind, WriteRows } from './writes.ts'

/** Rows of one kind that take effect together. */
export interface Run {
  readonly kind: WriteKind
  readonly rows: readonly PutRow['row'][]
}

interface KindRule<K extends WriteKind> {
  /** The key whose last row in a run holds; absent where repeating an effect changes nothing. */
  readonly key?: readonly (keyof WriteRows[K] & string)[]
  /** The tables that the kind's SQL function writes; absent: the one of the kind's name. */
  readonly tables?: readonly string[]
}

const rules: { readonly [K in WriteKind]: KindRule<K> } = {
  room: { key: ['room_nid'] },
  event: { key: ['event_nid'] },
  event_redaction: { key: ['event_nid'], tables: ['event'] },
  event_signature: { key: ['event_nid', 'key_id'] },
  state_node: { key: ['room_nid', 'id'] },
  relation: { key: ['room_nid', 'parent_id', 'event_nid'] },
  relation_removal: { tables: ['relation'] },
  receipt: { key: ['room_nid', 'user_id', 'receipt_type', 'thread_id'] },
  account: { key: ['user_id'] },
  device: { key: ['user_id', 'device_id'] },
  device_removal: { tables: ['access_token', 'refresh_token', 'one_time_key', 'fallback_key', 'to_device'] },
  access_token: { key: ['token_hash'] },
  refresh_token: { key: ['token_hash'] },
  login_token: { key: ['token_hash'] },
  openid_token: { key: ['token_hash'] },
  profile: { key: ['user_id', 'key'] },
  account_data: { key: ['user_id', 'room_id', 'type'] },
  filter: { key: ['user_id', 'filter_id'] },
  unread: { key: ['user_id', 'room_id'] },
  media: { key: ['media_id'] },
  one_time_key: { key: ['user_id', 'device_id', 'algorithm', 'key_id'] },
  fallback_key: { key: ['user_id', 'device_id', 'algorithm'] },
  cross_signing_key: { key: ['user_id', 'usage'] },
  key_signature: { key: ['signer_id', 'target_user', 'target_key', 'signer_key_id'] },
  to_device: { key: ['user_id', 'device_id', 'pos', 'sub'] },
  to_device_ack: { tables: ['to_device'] },
  key_backup: { key: ['user_id', 'version'] },
  key_backup_key: { key: ['user_id', 'version', 'room_id', 'session_id'] },
  key_backup_removal: { tables: ['key_backup_key'] },
  cursor: { key: ['kind', 'target', 'source'] },
}

/** Rows whose first one counts, since their SQL function leaves a row alone that is there. */
const firstHolds: ReadonlySet<WriteKind> = new Set<WriteKind>([
  'room',
  'event_signature',
  'state_node',
  'relation',
  'to_device',
])

interface OpenRun {
  readonly kind: WriteKind
  readonly rows: PutRow['row'][]
  readonly indexOfKey: Map<string, number>
}

export class RunBuilder {
  readonly #runs: OpenRun[] = []
  readonly #lastOfKind = new Map<WriteKind, OpenRun>()
  readonly #lastOfTable = new Map<string, OpenRun>()

  /** Adds a row whose positions have been given. */
  add(put: PutRow): void {
    const { tables = [put.kind] } = rules[put.kind]
    const open = this.#lastOfKind.get(put.kind)
    if (open && tables.every((table) => this.#lastOfTable.get(table) === open) && join(open, put)) return
    const run: OpenRun = { kind: put.kind, rows: [], indexOfKey: new Map() }
    this.#runs.push(run)
    this.#lastOfKind.set(put.kind, run)
    for (const table of tables) this.#lastOfTable.set(table, run)
    join(run, put)
  }

  get runs(): readonly Run[] {
    return this.#runs
  }
}

/** Puts the row into the run; false if it must come after the whole run. */
function join(run: OpenRun, put: PutRow): boolean {
  const key = keyOf(put)
  const index = key === undefined ? undefined : run.indexOfKey.get(key)
  if (index === undefined) {
    if (key !== undefined) run.indexOfKey.set(key, run.rows.length)
    run.rows.push(put.row)
    return true
  }
  if (firstHolds.has(put.kind)) return true
  if (put.kind === 'device') return joinDevice(run, index, put.row)
  run.rows[index] = put.row
  return true
}

/** Device rows are partial: a later one adds to an earlier one, unless a removal stands between them. */
function joinDevice(run: OpenRun, index: number, row: WriteRows['device']): boolean {
  // The cast is sound: the run holds rows of the kind device only.
  const earlier = run.rows[index] as WriteRows['device']
  if (earlier.deleted && !row.deleted) return false
  run.rows[index] = row.deleted ? row : { ...earlier, ...row }
  return true
}

function keyOf(put: PutRow): string | undefined {
  const columns: readonly string[] | undefined = rules[put.kind].key
  if (columns === undefined) return undefined
  // The cast states that the rule's columns are fields of the row, which its type demands.
  const row = put.row as unknown as Readonly<Record<string, unknown>>
  if (columns.length === 1) return String(row[columns[0] ?? ''])
  return JSON.stringify(columns.map((column) => row[column]))
}
