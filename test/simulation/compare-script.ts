/** Random commits: right ones, late ones, repeated ones, and such as contradict what is stored; and steps of the sweep between them. */

import type { Random } from '#actors/runtime/clock.ts'
import { commitArguments, type CommitArguments } from '#storage/commit-arguments.ts'
import type { ShardGroup } from '#storage/commit.ts'
import { ShardWrites } from '#storage/shard-writes.ts'
import type { LogStep } from '#storage/sweep/sweep.ts'
import type { LogRow } from '#storage/writes.ts'
import type { Tables } from './model/tables.ts'

export interface CommitStep {
  readonly kind: 'commit'
  readonly groups: readonly ShardGroup[]
  readonly args: CommitArguments
  /** The epochs that the shards have when it arrives. */
  readonly epochs: readonly number[]
}

export interface SweepStep {
  readonly kind: 'sweep'
  readonly sweep: LogStep
  readonly epochs: readonly number[]
}

/** Of the second one JSON writes a part with \u, and of the third one with other escapes. */
const types = ['t', 't\u0001', 't"\\']
const hourMs = 3_600_000

export class CommitScript {
  readonly #random: Random
  readonly #epochs: number[]
  readonly #sent: (readonly ShardGroup[])[] = []
  readonly #keys: string[] = []
  #made = 1

  constructor(random: Random, shardCount: number) {
    this.#random = random
    this.#epochs = Array.from({ length: shardCount }, () => 1)
  }

  next(tables: Tables): CommitStep | SweepStep {
    if (this.#chance(0.2)) this.#raise()
    if (this.#chance(0.3)) {
      const epochs = [...this.#epochs]
      return { kind: 'sweep', sweep: drawSweep(this.#random, tables, epochs), epochs }
    }
    const again = this.#sent[this.#below(this.#sent.length)]
    const isAgain = again !== undefined && this.#chance(0.25)
    const groups = isAgain ? again : this.#groups(tables)
    this.#sent.push(groups)
    return { kind: 'commit', groups, args: commitArguments(groups), epochs: [...this.#epochs] }
  }

  #raise(): void {
    const shard = this.#below(this.#epochs.length)
    this.#epochs[shard] = (this.#epochs[shard] ?? 0) + 1
  }

  #groups(tables: Tables): ShardGroup[] {
    const shards = [...new Set([this.#shard(), this.#shard(), this.#shard()])].slice(0, 1 + this.#below(3))
    return shards.map((shard) => {
      const known = this.#epochs[shard] ?? 1
      const epoch = this.#chance(0.1) ? Math.max(1, known - 1) : known
      const head = tables.headOf(shard)
      // Mostly where the log stands; else behind it or before it.
      const after = this.#chance(0.85) ? head : Math.max(0, head + this.#below(5) - 2)
      const writes = Array.from({ length: this.#below(3) }, () => this.#writes(shard))
      return { shard, epoch, after, writes }
    })
  }

  #writes(shard: number): ShardWrites {
    const writes = new ShardWrites(shard)
    const userId = `@u${shard}.${this.#below(2)}:sim.test`
    const rows = this.#below(4)
    for (let i = 0; i < rows; i++) this.#void(writes, userId)
    if (this.#chance(0.3)) {
      const pos = writes.append({ kind: 'event', roomNid: 1, eventNid: this.#made })
      const name = this.#chance(0.1) ? '$same' : `$e${this.#made}`
      writes.put('event', {
        event_nid: this.#made++,
        event_id: name,
        room_nid: 1,
        type: 't',
        state_key: null,
        sender: userId,
        origin_server_ts: 1,
        json: '{"content":{}}',
        txn: null,
        pos,
      })
    }
    const display_name = this.#chance(0.1) ? 'no \u0000 text' : `name ${this.#made++}`
    if (this.#chance(0.3))
      writes.put('device', {
        user_id: userId,
        device_id: 'D',
        display_name,
        ...(this.#chance(0.5) && { created_at: 1 }),
      })
    return writes
  }

  /** A row of which only the latest is kept, or how far rooms have been told of such. */
  #void(writes: ShardWrites, userId: string): void {
    const { shard } = writes
    const other = `@u${shard}.${this.#below(2)}:sim.test`
    const roomNid = 10 + 2 * shard + this.#below(2)
    const row = (of: Omit<LogRow, 'txnKey'>): void => void writes.append({ ...of, ...this.#txnKey() })
    switch (this.#below(7)) {
      case 0:
        return this.#receipt(writes, { roomNid, userId })
      case 1:
        return this.#accountData(writes, userId)
      case 2:
        return row({ kind: 'deviceList', roomNid, body: JSON.stringify({ user: other }) })
      case 3:
        return row({
          kind: 'userDevices',
          userId,
          body: JSON.stringify(this.#chance(0.3) ? { users: [other] } : {}),
        })
      case 4:
        return row({ kind: 'profile', userId, body: `{"keys":["k${this.#below(2)}"]}` })
      case 5:
        return row({ kind: 'session', userId, body: '{}' })
      default: {
        const kind = this.#chance(0.5) ? 'devices' : 'profile'
        writes.put('cursor', { kind, target: this.#below(2), source: shard, pos: this.#below(60) })
      }
    }
  }

  #receipt(writes: ShardWrites, { roomNid, userId }: { roomNid: number; userId: string }): void {
    const receiptType = this.#chance(0.3) ? 'm.read.private' : 'm.read'
    const threadId = this.#chance(0.3) ? 'main' : ''
    const body = { userId, receiptType, threadId, eventId: '$e', ts: 1, eventPos: 1 }
    const own = receiptType === 'm.read' ? {} : { userId }
    const pos = writes.append({ kind: 'receipt', roomNid, body: JSON.stringify(body), ...own })
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
  }

  #accountData(writes: ShardWrites, userId: string): void {
    const type = types[this.#below(types.length)] ?? 't'
    const content = this.#chance(0.5) ? {} : { odd: '\u0000', roomId: '!other', last: { type: 't' } }
    const roomId = this.#chance(0.5) ? '!room' : ''
    const body = { type, content, ...(roomId !== '' && { roomId }) }
    const pos = writes.append({
      kind: 'accountData',
      userId,
      body: JSON.stringify(body),
      ...this.#txnKey(),
    })
    writes.put('account_data', {
      user_id: userId,
      room_id: roomId,
      type,
      content: JSON.stringify(content),
      pos,
    })
  }

  /** Mostly a new one; now and then one that was used before. */
  #txnKey(): { txnKey?: string } {
    if (this.#chance(0.7)) return {}
    const used = this.#keys[this.#below(this.#keys.length)]
    if (used !== undefined && this.#chance(0.2)) return { txnKey: used }
    const txnKey = Buffer.from(this.#random.bytes(16)).toString('base64url')
    this.#keys.push(txnKey)
    return { txnKey }
  }

  #shard(): number {
    return this.#below(this.#epochs.length)
  }

  #below(limit: number): number {
    return Math.floor(this.#random.fraction() * limit)
  }

  #chance(probability: number): boolean {
    return this.#random.fraction() < probability
  }
}

/** A step on some log: mostly of its owner, and mostly over rows that are old enough. */
export function drawSweep(random: Random, tables: Tables, epochs: readonly number[]): LogStep {
  const chance = (probability: number): boolean => random.fraction() < probability
  const shard = Math.floor(random.fraction() * epochs.length)
  const epoch = (epochs[shard] ?? 0) - (chance(0.05) ? 1 : 0)
  const head = tables.headOf(shard)
  const upTo = chance(0.8) ? head : Math.max(0, head - Math.floor(random.fraction() * 5))
  const look = chance(0.5) ? 1000 : 1 + Math.floor(random.fraction() * 4)
  return { shard, epoch, upTo, look, ageMs: chance(0.9) ? 0 : hourMs }
}
