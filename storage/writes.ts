/**
 * What a transaction on a shard may change. An actor fills a `Writes` in one synchronous turn and hands it to the
 * committer; nothing here touches the database. Every table that is written behind the fence has one row type here and
 * one SQL function `apply_<kind>` in the migrations, so that a commit is one call with one argument per group.
 *
 * Positions are not known while a decision is made: a row that needs one holds the `LogRef` that `append` returned, and
 * the committer fills it in when it builds the call.
 */

import type { LogKind, Membership } from './log-kinds.ts'

/** Stands for the position of an appended row until the committer has given it. Serialises as that position. */
export class LogRef {
  /** Order within this `Writes`, from 0. */
  readonly offset: number
  #pos = -1

  constructor(offset: number) {
    this.offset = offset
  }

  /** The position; only after the committer has placed the row. */
  get pos(): number {
    if (this.#pos < 0) throw new Error('position asked for before it was given')
    return this.#pos
  }

  /** Whether the committer has given the position. */
  get isPlaced(): boolean {
    return this.#pos >= 0
  }

  /** For the committer alone. A group that is split is placed anew. */
  place(base: number): void {
    this.#pos = base + 1 + this.offset
  }

  toJSON(): number {
    return this.pos
  }
}

/** A new row of the shard's log. Absent fields are null. */
export interface LogRow {
  readonly kind: LogKind
  readonly roomNid?: number
  readonly eventNid?: number
  readonly userId?: string
  readonly membership?: Membership
  readonly prevMembership?: Membership
  /** A node id of the state trie. */
  readonly stateRoot?: string
  /** Forward extremities after this row, as event numbers; absent: this event alone. */
  readonly tips?: readonly number[]
  /** 22 characters base64url of 16 bytes: unique over the database for ever (`txnKey` in `txn-key.ts`). */
  readonly txnKey?: string
  /** JSON text. */
  readonly body?: string
  /** Masks of 64 bits as decimal text of a signed 64-bit integer. */
  readonly userShards?: string
  readonly serverShards?: string
}

type Pos = LogRef

/** Rows by kind, in the words of the tables. `deleted: true` deletes the row with that key instead. */
export interface WriteRows {
  room: { room_nid: number; room_id: string; version: string; shard_id: number; created_at: number }
  event: {
    event_nid: number
    event_id: string
    room_nid: number
    type: string
    state_key: string | null
    sender: string
    origin_server_ts: number
    json: string
    txn: string | null
    /** Of the log row that carries it; absent for an event that takes no position. */
    pos?: Pos
  }
  /** Replaces the stored text of an event by its redacted form. */
  event_redaction: { event_nid: number; redacted_by: number; json: string }
  event_signature: { event_nid: number; key_id: string; signature: string }
  /** `id` and `data` in base64. */
  state_node: { room_nid: number; id: string; data: string }
  relation: {
    room_nid: number
    parent_id: string
    event_nid: number
    rel_type: string
    type: string
    sender: string
    pos: Pos
  }
  /** A redacted event relates to nothing any more. */
  relation_removal: { room_nid: number; event_nid: number }
  receipt: {
    room_nid: number
    user_id: string
    receipt_type: string
    thread_id: string
    event_id: string
    ts: number
    pos: Pos
    event_pos: number
  }
  account: {
    user_id: string
    created_at: number
    password_hash: string | null
    admin: boolean
    deactivated_at: number | null
    erased: boolean
  }
  device: {
    user_id: string
    device_id: string
    deleted?: boolean
    display_name?: string | null
    created_at?: number
    last_seen_ts?: number | null
    last_seen_ip?: string | null
    keys?: string | null
    dehydrated?: boolean
  }
  /** Everything that hangs on a device: tokens, keys, inbox. The device row goes by `device`. */
  device_removal: { user_id: string; device_id: string }
  /** `token_hash` in base64. */
  access_token: {
    token_hash: string
    user_id: string
    device_id: string
    expires_at: number | null
    deleted?: boolean
  }
  refresh_token: {
    token_hash: string
    user_id: string
    device_id: string
    replaced: boolean
    deleted?: boolean
  }
  login_token: { token_hash: string; user_id: string; expires_at: number; deleted?: boolean }
  openid_token: { token_hash: string; user_id: string; expires_at: number }
  profile: { user_id: string; key: string; value: string; deleted?: boolean }
  account_data: {
    user_id: string
    room_id: string
    type: string
    content: string
    pos: Pos
    deleted?: boolean
  }
  filter: { user_id: string; filter_id: string; json: string }
  unread: { user_id: string; room_id: string; pos: number; counts: string; deleted?: boolean }
  media: {
    media_id: string
    user_id: string
    content_type: string
    file_name: string | null
    size: number
    sha256: string | null
    created_at: number
    expires_at: number | null
  }
  one_time_key: {
    user_id: string
    device_id: string
    algorithm: string
    key_id: string
    json: string
    seq: number
    deleted?: boolean
  }
  fallback_key: {
    user_id: string
    device_id: string
    algorithm: string
    key_id: string
    json: string
    used: boolean
  }
  cross_signing_key: { user_id: string; usage: string; json: string; deleted?: boolean }
  key_signature: {
    signer_id: string
    target_user: string
    target_key: string
    signer_key_id: string
    signature: string
    deleted?: boolean
  }
  to_device: { user_id: string; device_id: string; pos: Pos; sub: number; message: string }
  /** Deletes what a device has shown that it has: every message at or before `pos`. */
  to_device_ack: { user_id: string; device_id: string; pos: number }
  key_backup: {
    user_id: string
    version: number
    algorithm: string
    auth_data: string
    etag: number
    deleted: boolean
  }
  key_backup_key: {
    user_id: string
    version: number
    room_id: string
    session_id: string
    first_message_index: number
    forwarded_count: number
    is_verified: boolean
    session_data: string
    deleted?: boolean
  }
  /** Deletes many: absent fields mean all. */
  key_backup_removal: { user_id: string; version: number; room_id?: string }
  cursor: { kind: string; target: number; source: number; pos: number }
}

export type WriteKind = keyof WriteRows

/** What a transaction on one shard will do. Filled in one turn of one actor. */
export interface Writes {
  /** Appends a row to the shard's log. */
  append(row: LogRow): LogRef
  /** Inserts, replaces or deletes a row; the last word on a key within a transaction holds. */
  put<K extends WriteKind>(kind: K, row: WriteRows[K]): void
}
