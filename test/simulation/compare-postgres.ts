/** A real database as the comparison uses it: one call of `commit_group`, and the rows of all logs. */

import type { CommitArguments } from '#storage/commit-arguments.ts'
import { classifyCode } from '#storage/commit-postgres.ts'
import type { Database } from '#storage/pool.ts'
import type { LogRecord } from './model/tables.ts'

export interface PostgresAnswer {
  readonly kind: string
  readonly shards?: readonly number[]
  readonly keys?: readonly string[]
}

/** The answer of `commit_group`; a refusal for the content is one. */
export async function answerOfPostgres(
  { control }: Database,
  args: CommitArguments,
): Promise<PostgresAnswer> {
  try {
    const [row] = await control.sql<{ answer: PostgresAnswer }[]>`
      select commit_group(${args.shards}, ${args.log}, ${args.kinds}, variadic array(
        select value from json_array_elements(${`[${args.runs.join(',')}]`}) with ordinality order by ordinality)) as answer`
    if (row === undefined) throw new Error('commit_group returned no row')
    return row.answer
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : undefined
    if (classifyCode(code) !== 'content') throw error
    return { kind: 'content' }
  }
}

export async function setEpochs({ control }: Database, epochs: readonly number[]): Promise<void> {
  await control.sql`
    update shard set epoch = e.epoch from unnest(${[...epochs]}::bigint[]) with ordinality e(epoch, n)
    where shard_id = e.n - 1 and shard.epoch <> e.epoch`
}

/** All logs, in the words of the model. */
export async function rowsOfPostgres({ control }: Database): Promise<LogRecord[]> {
  const rows = await control.sql<
    (Omit<LogRecord, 'stateRoot' | 'txnKey'> & { root: Buffer | null; key: Buffer | null })[]
  >`
    select shard_id as shard, pos, epoch, kind, room_nid as "roomNid", event_nid as "eventNid", user_id as "userId", membership,
      prev_membership as "prevMembership", state_root as root, tips, txn_key as key, body, user_shards::text as "userShards"
    from log order by shard_id, pos`
  return rows.map(({ root, key, tips, ...row }) => ({
    ...row,
    stateRoot: root?.toString('base64url') ?? null,
    tips: tips === null ? null : [...tips],
    txnKey: key?.toString('base64url') ?? null,
  }))
}
