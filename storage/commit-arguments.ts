/** Builds the arguments of the SQL function `commit_group` (`migrations/0002-commit.sql`). */

import type { ShardGroup } from './commit.ts'
import { RunBuilder } from './commit-runs.ts'
import { logKinds, memberships } from './log-kinds.ts'
import type { LogRow, WriteKind } from './writes.ts'

export interface CommitArguments {
  readonly shards: string
  readonly log: string
  readonly kinds: readonly WriteKind[]
  /** Each a JSON array of rows. */
  readonly runs: readonly string[]
  readonly logRows: number
  readonly rows: number
}

/** Gives the groups' rows their positions and writes them down. */
export function commitArguments(groups: readonly ShardGroup[]): CommitArguments {
  const ascending = groups.toSorted((a, b) => a.shard - b.shard)
  const shards: object[] = []
  const log: object[] = []
  const builder = new RunBuilder()
  let rows = 0
  for (const group of ascending) {
    const before = log.length
    const keys: string[] = []
    for (const writes of group.writes) {
      const base = group.after + log.length - before
      writes.place(base)
      for (const [i, row] of writes.log.entries()) {
        log.push(logRowJson(group, base + 1 + i, row))
        if (row.txnKey !== undefined) keys.push(byteaText(row.txnKey))
      }
      for (const put of writes.rows) builder.add(put)
      rows += writes.rows.length
    }
    const part = { s: group.shard, e: group.epoch, p: group.after, n: log.length - before }
    shards.push(keys.length > 0 ? { ...part, x: keys } : part)
  }
  return {
    shards: JSON.stringify(shards),
    log: JSON.stringify(log),
    kinds: builder.runs.map((run) => run.kind),
    runs: builder.runs.map((run) => JSON.stringify(run.rows)),
    logRows: log.length,
    rows,
  }
}

/** Base64url as Postgres reads bytea. */
function byteaText(base64url: string): string {
  return `\\x${Buffer.from(base64url, 'base64url').toString('hex')}`
}

/** The columns of the table `log`; what is undefined is left out by JSON and becomes null. */
function logRowJson(group: ShardGroup, pos: number, row: LogRow): object {
  return {
    shard_id: group.shard,
    pos,
    epoch: group.epoch,
    kind: logKinds[row.kind],
    room_nid: row.roomNid,
    event_nid: row.eventNid,
    user_id: row.userId,
    membership: row.membership && memberships[row.membership],
    prev_membership: row.prevMembership && memberships[row.prevMembership],
    state_root: row.stateRoot === undefined ? undefined : byteaText(row.stateRoot),
    tips: row.tips,
    txn_key: row.txnKey === undefined ? undefined : byteaText(row.txnKey),
    body: row.body,
    user_shards: row.userShards,
    server_shards: row.serverShards,
  }
}
