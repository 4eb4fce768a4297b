/** Random commits: right ones, late ones, repeated ones, and such as contradict what is stored. */

import type { Random } from '#actors/runtime/clock.ts'
import { commitArguments, type CommitArguments } from '#storage/commit-arguments.ts'
import type { ShardGroup } from '#storage/commit.ts'
import { ShardWrites } from '#storage/shard-writes.ts'
import type { Tables } from './model/tables.ts'

export interface Step {
  readonly groups: readonly ShardGroup[]
  readonly args: CommitArguments
  /** The epochs that the shards have when it arrives. */
  readonly epochs: readonly number[]
}

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

  next(tables: Tables): Step {
    if (this.#chance(0.2)) this.#raise()
    const again = this.#sent[this.#below(this.#sent.length)]
    const isAgain = again !== undefined && this.#chance(0.25)
    const groups = isAgain ? again : this.#groups(tables)
    this.#sent.push(groups)
    return { groups, args: commitArguments(groups), epochs: [...this.#epochs] }
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
    const userId = `@u${this.#below(3)}:sim.test`
    const rows = this.#below(3)
    for (let i = 0; i < rows; i++) {
      const pos = writes.append({ kind: 'accountData', userId, body: '{}', ...this.#txnKey() })
      writes.put('account_data', {
        user_id: userId,
        room_id: '',
        type: `t${this.#below(3)}`,
        content: '{}',
        pos,
      })
    }
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

  /** Mostly a new one; now and then one that was used before. */
  #txnKey(): { txnKey?: string } {
    if (this.#chance(0.5)) return {}
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
