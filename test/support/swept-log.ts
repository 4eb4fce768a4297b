/** One shard of a database, written to and swept as by its owner: for tests of what a sweep deletes. */

import assert from 'node:assert/strict'
import type { CommitStore } from '#storage/commit.ts'
import type { Session } from '#storage/session.ts'
import { ShardWrites } from '#storage/shard-writes.ts'
import type { LogStep, LogStepResult } from '#storage/sweep/sweep.ts'
import { PostgresSweepStore } from '#storage/sweep/sweep-postgres.ts'
import type { LogRow } from '#storage/writes.ts'
import { testDatabase, type TestDatabase } from './postgres.ts'

/** The shard. */
export const shard = 7
/** Whose account data is written. */
export const owner = '@alice:test.local'
const roomNid = 3

/** One shard of a database, as its owner writes and sweeps it. */
export class SweptLog implements AsyncDisposable {
  readonly db: TestDatabase
  readonly store: PostgresSweepStore
  epoch = 1
  head = 0
  readonly #commits: CommitStore
  readonly #session: Session

  constructor(db: TestDatabase) {
    this.db = db
    this.#session = db.database.session('sweep')
    this.store = new PostgresSweepStore(this.#session)
    this.#commits = db.database.commitStore()
  }

  static async open(): Promise<SweptLog> {
    const db = await testDatabase()
    await db.database.control.sql`update shard set epoch = 1`
    return new SweptLog(db)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session[Symbol.asyncDispose]()
    await this.db[Symbol.asyncDispose]()
  }

  async commit(...writes: ShardWrites[]): Promise<void> {
    const result = await this.#commits.commit([{ shard, epoch: this.epoch, after: this.head, writes }])
    assert.equal(result.kind, 'committed')
    for (const one of writes) this.head += one.log.length
  }

  /** One row that nothing else comes with; returns its position. */
  async row(row: LogRow): Promise<number> {
    const writes = new ShardWrites(shard)
    writes.append(row)
    await this.commit(writes)
    return this.head
  }

  async receipt(userId: string, threadId = '', receiptType = 'm.read'): Promise<number> {
    await this.commit(receipt(userId, threadId, receiptType))
    return this.head
  }

  async accountData(item: { roomId?: string; type: string; content?: object }): Promise<number> {
    const { content = {}, roomId, type } = item
    const writes = new ShardWrites(shard)
    const body = { type, content, ...(roomId === undefined ? {} : { roomId }) }
    const pos = writes.append({ kind: 'accountData', userId: owner, body: JSON.stringify(body) })
    writes.put('account_data', {
      user_id: owner,
      room_id: roomId ?? '',
      type,
      content: JSON.stringify(content),
      pos,
    })
    await this.commit(writes)
    return this.head
  }

  /** Something that no step deletes, so that what was before is not the last row. */
  end(): Promise<number> {
    return this.row({ kind: 'forget', userId: owner, body: '{}' })
  }

  cursor(kind: 'devices' | 'profile', pos: number): Promise<void> {
    const writes = new ShardWrites(shard)
    writes.put('cursor', { kind, target: shard, source: shard, pos })
    return this.commit(writes)
  }

  step(options: Partial<LogStep> = {}): Promise<LogStepResult> {
    return this.store.sweepLog({
      shard,
      epoch: this.epoch,
      upTo: this.head,
      ageMs: 0,
      look: 1000,
      ...options,
    })
  }

  /** Steps until the log has been walked to its end. */
  async sweep(options: Partial<LogStep> = {}): Promise<void> {
    for (let i = 0; i < 100; i++) {
      const result = await this.step(options)
      assert.equal(result.kind, 'done')
      if (result.kind === 'done' && result.waitMs === undefined) return
    }
    assert.fail('the walk has no end')
  }

  async positions(): Promise<number[]> {
    const rows = await this.db.database.reads.sql<{ pos: number }[]>`
      select pos from log where shard_id = ${shard} order by pos`
    return rows.map(({ pos }) => pos)
  }
}

/** A receipt with its log row, not committed yet. */
export function receipt(userId: string, threadId = '', receiptType = 'm.read'): ShardWrites {
  const writes = new ShardWrites(shard)
  const body = { userId, receiptType, threadId, eventId: '$e', ts: 1, eventPos: 1 }
  const isPrivate = receiptType === 'm.read.private'
  const pos = writes.append({
    kind: 'receipt',
    roomNid,
    body: JSON.stringify(body),
    ...(isPrivate && { userId }),
  })
  writes.put('receipt', {
    room_nid: roomNid,
    user_id: userId,
    receipt_type: receiptType,
    thread_id: threadId,
    event_id: '$e',
    ts: 1,
    pos,
    event_pos: 1,
  })
  return writes
}
