/**
 * What the SQL function `commit_group` does (`storage/migrations/0002-commit.sql`), on the model's tables and with the very arguments
 * that Postgres is given. `compare.test.ts` holds the two against each other.
 */

import type { CommitArguments } from '#storage/commit-arguments.ts'
import type { LogRecord, Row, Tables } from './tables.ts'

/** What the function returns. */
export type Answer =
  | { readonly kind: 'committed' | 'landed' }
  | { readonly kind: 'fenced' | 'behind'; readonly shards: readonly number[] }
  | { readonly kind: 'seen'; readonly keys: readonly string[] }

/** The group contradicts what is stored: SQLSTATE of class 23 or P0. */
export class ContentError extends Error {
  override readonly name = 'ContentError'
}

/** What contains this is refused, as Postgres refuses what nobody has thought of: SQLSTATE of class 22 or 54. */
export const unstorable = 'cannot be stored'

interface Part {
  readonly s: number
  readonly e: number
  readonly p: number
  readonly n: number
  readonly x?: readonly string[]
}

/** Carries a group out, whole or not at all. Throws {@link ContentError}. */
export function commitGroup(tables: Tables, args: CommitArguments): Answer {
  const fenced = fencedShards(tables, args)
  return fenced.length > 0 ? { kind: 'fenced', shards: fenced } : commitBehindFence(tables, args)
}

/** Shards of a group that have another epoch by now. The rows of the others are locked from here on. */
export function fencedShards(tables: Tables, args: CommitArguments): number[] {
  return partsOf(args)
    .filter((part) => tables.shards[part.s]?.epoch !== part.e)
    .map((part) => part.s)
}

/** What a group does when it has its locks. Throws {@link ContentError}. */
export function commitBehindFence(tables: Tables, args: CommitArguments): Answer {
  const parts = partsOf(args)
  const stands = parts.map((part) => standing(tables, part))
  const behind = parts.filter((_part, i) => stands[i] === 'behind')
  if (behind.length > 0) return { kind: 'behind', shards: behind.map((part) => part.s) }
  if (stands.includes('landed')) {
    if (stands.includes('fresh')) throw new ContentError('a part of the group had landed and another had not')
    return { kind: 'landed' }
  }
  const keys = parts.flatMap((part) => part.x ?? []).map((hex) => hex.slice(2))
  const seen = keys.filter((hex) => tables.byTxnKey.has(base64url(hex)))
  if (seen.length > 0) return { kind: 'seen', keys: seen }
  write(tables, args)
  return { kind: 'committed' }
}

function partsOf(args: CommitArguments): Part[] {
  // The cast states what `commitArguments` has written.
  return JSON.parse(args.shards) as Part[]
}

function standing(tables: Tables, part: Part): 'behind' | 'fresh' | 'empty' | 'landed' {
  const head = tables.headOf(part.s)
  if (head < part.p) return 'behind'
  if (head === part.p) return part.n > 0 ? 'fresh' : 'empty'
  if (part.n === 0) throw new ContentError(`shard ${part.s} stands at ${head}, its owner believes ${part.p}`)
  const next = tables.logs[part.s]?.find((row) => row.pos === part.p + 1)
  if (next?.epoch !== part.e || head !== part.p + part.n)
    throw new ContentError(`shard ${part.s} has at ${part.p + 1} what its owner did not write`)
  return 'landed'
}

function write(tables: Tables, args: CommitArguments): void {
  const log = (JSON.parse(args.log) as Row[]).map(recordOf)
  const runs = args.runs.map((run) => JSON.parse(run) as Row[])
  checkConstraints(tables, args, runs)
  for (const record of log) tables.append(record)
  for (const [i, kind] of args.kinds.entries()) for (const row of runs[i] ?? []) tables.apply(kind, row)
}

/** A transaction that breaks a constraint leaves nothing. */
function checkConstraints(tables: Tables, args: CommitArguments, runs: readonly Row[][]): void {
  for (const row of runs.flat())
    for (const value of Object.values(row))
      // SQLSTATE 22P05: no text holds U+0000.
      if (typeof value === 'string' && (value.includes('\u0000') || value.includes(unstorable)))
        throw new ContentError('untranslatable_character')
  const keys = (JSON.parse(args.log) as Row[]).flatMap((row) => row['txn_key'] ?? [])
  if (new Set(keys).size < keys.length)
    throw new ContentError('log_txn: a transaction key twice in one group')
  const ownIds = new Map<string, unknown>()
  for (const [i, kind] of args.kinds.entries()) {
    for (const row of runs[i] ?? []) {
      const id = String(row['event_id'])
      const known =
        kind === 'event' ? (tables.eventIds.get(id) ?? ownIds.getOrInsert(id, row['event_nid'])) : undefined
      if (known !== undefined && known !== row['event_nid'])
        throw new ContentError(`event_event_id_key: ${id}`)
      const room = kind === 'room' ? tables.roomIds.get(String(row['room_id'])) : undefined
      if (room !== undefined && room !== row['room_nid']) throw new ContentError('room_room_id_key')
    }
  }
}

function recordOf(row: Row): LogRecord {
  // The casts state the columns of `log`.
  const number = (column: string): number | null => (row[column] as number | undefined) ?? null
  const text = (column: string): string | null => (row[column] as string | undefined) ?? null
  const bytes = (column: string): string | null => {
    const hex = text(column)
    return hex === null ? null : base64url(hex.slice(2))
  }
  return {
    shard: Number(row['shard_id']),
    pos: Number(row['pos']),
    epoch: Number(row['epoch']),
    kind: Number(row['kind']),
    roomNid: number('room_nid'),
    eventNid: number('event_nid'),
    userId: text('user_id'),
    membership: number('membership'),
    prevMembership: number('prev_membership'),
    stateRoot: bytes('state_root'),
    tips: (row['tips'] as number[] | undefined) ?? null,
    txnKey: bytes('txn_key'),
    body: text('body'),
    userShards: text('user_shards'),
  }
}

function base64url(hex: string): string {
  return Buffer.from(hex, 'hex').toString('base64url')
}
