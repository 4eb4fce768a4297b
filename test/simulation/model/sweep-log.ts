/**
 * What the SQL function `sweep_log` does (`storage/migrations/0006-sweep.sql`), and what is deleted because its time is over, on the
 * model's tables. `compare.test.ts` holds it against Postgres.
 */

import { isJsonObject, type JsonObject } from '#protocol/json/types.ts'
import { logKindName, logKinds } from '#storage/log-kinds.ts'
import {
  expiredAtOnce,
  type ExpiredKind,
  type LogStep,
  type LogStepResult,
  type SweptLogKind,
} from '#storage/sweep/sweep.ts'
import type { LogRecord, Row, SweepRecord, Tables } from './tables.ts'

/** So long it is known of a one-time key that it was given out, milliseconds. */
const claimedForMs = 86_400_000
const swept: ReadonlySet<number> = new Set([
  logKinds.receipt,
  logKinds.deviceList,
  logKinds.accountData,
  logKinds.userDevices,
  logKinds.session,
  logKinds.profile,
])
const unswept: SweepRecord = {
  pos: 0,
  ripePos: 0,
  seenPos: 0,
  seenAtMs: Number.NEGATIVE_INFINITY,
  sessionPos: 0,
}

/** What the walk has found. */
interface Findings {
  /** Positions of rows that can be deleted. */
  readonly going: Set<number>
  /** Rows of tables whose present value is told by a row that has been walked over. */
  readonly holders: { readonly kind: 'receipt' | 'account_data'; readonly row: Row }[]
  /** The last of the sessions' rows that can be deleted. */
  sessionPos: number
}

interface Walk {
  readonly shard: number
  readonly after: number
  /** Undefined: there is nothing to be walked. */
  readonly upTo: number | undefined
}

/** One step on one log. */
export function sweepLog(tables: Tables, step: LogStep): LogStepResult {
  const { ageMs, epoch, shard, upTo } = step
  const known = tables.sweeps.get(shard)
  const state = known ?? unswept
  const ripePos = state.seenAtMs <= tables.nowMs - ageMs ? state.seenPos : state.ripePos
  const log = tables.logs[shard] ?? []
  const next = log.filter(({ pos }) => pos > state.pos && pos <= Math.min(ripePos, upTo)).slice(0, step.look)
  const reach = next.at(-1)?.pos
  if (known !== undefined && reach === undefined && ripePos < state.seenPos)
    return answerOf(tables, { ...state, ripePos }, { ageMs, deleted: [] })
  const found = walk(tables, { shard, after: state.pos, upTo: reach })
  if (tables.shards[shard]?.epoch !== epoch) return { kind: 'fenced' }
  const head = tables.headOf(shard)
  for (const { kind, row } of found.holders) tables.keep(kind, row)
  const deleted = log.filter(
    ({ kind, pos, txnKey }) => found.going.has(pos) && pos < head && txnKey === null && swept.has(kind),
  )
  for (const record of deleted) tables.sweep(record)
  const isSeenAgain = ripePos === state.seenPos
  const after: SweepRecord = {
    pos: reach ?? state.pos,
    ripePos,
    seenPos: isSeenAgain ? head : state.seenPos,
    seenAtMs: isSeenAgain ? tables.nowMs : state.seenAtMs,
    sessionPos: Math.max(state.sessionPos, found.sessionPos),
  }
  tables.sweeps.set(shard, after)
  return answerOf(tables, after, { ageMs, deleted })
}

function walk(tables: Tables, { after, shard, upTo }: Walk): Findings {
  const found: Findings = { going: new Set(), holders: [], sessionPos: 0 }
  if (upTo === undefined) return found
  const log = tables.logs[shard] ?? []
  for (const record of log) {
    if (record.pos <= after || record.pos > upTo || record.txnKey !== null) continue
    if (record.kind === logKinds.receipt) findValue(found, record, receiptOf(tables, record))
    else if (record.kind === logKinds.accountData) findValue(found, record, itemOf(tables, record))
    else for (const { pos } of repeatedBy(tables, record)) found.going.add(pos)
  }
  const lastSession = log.findLast(({ kind }) => kind === logKinds.session)?.pos ?? 0
  for (const { kind, pos } of log)
    if (kind === logKinds.session && pos <= upTo && pos < lastSession) {
      found.going.add(pos)
      found.sessionPos = pos
    }
  return found
}

/** A row that tells of a value which a table holds as well. */
function findValue(
  found: Findings,
  record: LogRecord,
  holder: Findings['holders'][number] | undefined,
): void {
  if (holder === undefined) return
  // The casts state what the columns hold.
  const latestPos = holder.row['pos'] as number
  const keptPos = holder.row['kept_pos'] as number | null
  if (latestPos > record.pos) found.going.add(record.pos)
  else if (keptPos !== null && keptPos < record.pos) found.going.add(keptPos)
  if (latestPos === record.pos) found.holders.push(holder)
}

function receiptOf(tables: Tables, { body, roomNid }: LogRecord): Findings['holders'][number] | undefined {
  const { receiptType, threadId, userId } = parsed(body)
  const row = tables.get('receipt', roomNid, userId, receiptType, threadId)
  return row && { kind: 'receipt', row }
}

/** A key that JSON writes with \u is not recognised. */
function itemOf(tables: Tables, { body, userId }: LogRecord): Findings['holders'][number] | undefined {
  const { roomId = '', type } = parsed(body)
  if (JSON.stringify([type, roomId]).includes('\\u')) return undefined
  const row = tables.get('account_data', userId, roomId, type)
  return row && { kind: 'account_data', row }
}

/** Earlier rows that say the same of the same; of what rooms are still to be told, none. */
function repeatedBy(tables: Tables, record: LogRecord): LogRecord[] {
  const { body, kind, roomNid, shard, userId } = record
  const isOfRoom = kind === logKinds.deviceList
  if (!isOfRoom && kind !== logKinds.userDevices && kind !== logKinds.profile) return []
  const toldTo = isOfRoom ? record.pos : toldPos(tables, record)
  return (tables.logs[shard] ?? []).filter(
    (other) =>
      other.kind === kind &&
      other.pos < record.pos &&
      other.pos <= toldTo &&
      other.body !== null &&
      other.body === body &&
      other.userId === userId &&
      other.roomNid === roomNid,
  )
}

/** The position up to which rooms have been told of what a user's rows of this kind say. */
function toldPos(tables: Tables, { kind, shard }: LogRecord): number {
  const name = kind === logKinds.userDevices ? 'devices' : 'profile'
  const cursors = tables.all('cursor').filter((row) => row['kind'] === name && row['source'] === shard)
  return cursors.length === 0 ? 0 : Math.min(...cursors.map((row) => Number(row['pos'])))
}

function parsed(body: string | null): JsonObject {
  const value: unknown = JSON.parse(body ?? '{}')
  return isJsonObject(value) ? value : {}
}

function answerOf(
  tables: Tables,
  state: SweepRecord,
  { ageMs, deleted }: { readonly ageMs: number; readonly deleted: readonly LogRecord[] },
): LogStepResult {
  const counts: Partial<Record<SweptLogKind, number>> = {}
  for (const record of deleted) {
    // The cast states what is deleted: rows of these kinds alone.
    const kind = logKindName(record.kind) as SweptLogKind
    counts[kind] = (counts[kind] ?? 0) + 1
  }
  const waitMs = Math.max(0, Math.ceil(state.seenAtMs + ageMs - tables.nowMs))
  if (state.pos < state.ripePos) return { kind: 'done', deleted: counts, waitMs: 0 }
  return { kind: 'done', deleted: counts, waitMs: state.pos < state.seenPos ? waitMs : undefined }
}

/** The model has none of the tokens and reservations that are deleted as well. */
export function sweepExpired(tables: Tables, beforeMs: number): Record<ExpiredKind, number> {
  const over = [...tables.claimedKeys]
    .filter(([, row]) => Number(row['claimed_at']) < beforeMs - claimedForMs)
    .toSorted(([, a], [, b]) => Number(a['claimed_at']) - Number(b['claimed_at']))
    .slice(0, expiredAtOnce)
  for (const [key] of over) tables.claimedKeys.delete(key)
  return { loginToken: 0, openIdToken: 0, media: 0, claimedKey: over.length }
}
