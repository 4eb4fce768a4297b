/** A real database as the comparison uses it: one call of `commit_group`, the rows of all logs, and how far their sweep has come. */

import type { CommitArguments } from '#storage/commit-arguments.ts'
import { classifyCode } from '#storage/commit-postgres.ts'
import type { Database } from '#storage/pool.ts'
import type { LogRecord, Tables } from './model/tables.ts'

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

/** Of each log that has been swept how far, and which rows of receipts and account data are the ones left. */
export async function sweepsOfPostgres({ control }: Database): Promise<object[]> {
  const sweeps = await control.sql<object[]>`
    select shard_id as shard, pos, ripe_pos as "ripePos", seen_pos as "seenPos", session_pos as "sessionPos" from sweep`
  const kept = await control.sql<object[]>`
    select pos, kept_pos as "keptPos" from receipt union all select pos, kept_pos from account_data`
  return [...sweeps, ...kept].map((row) => ({ ...row }))
}

/** The same of the model. */
export function sweepsOfModel(tables: Tables): object[] {
  const sweeps = [...tables.sweeps].map(([shard, { pos, ripePos, seenPos, sessionPos }]) => ({
    shard,
    pos,
    ripePos,
    seenPos,
    sessionPos,
  }))
  const kept = (['receipt', 'account_data'] as const).flatMap((kind) =>
    tables.all(kind).map((row) => ({ pos: row['pos'], keptPos: row['kept_pos'] })),
  )
  return [...sweeps, ...kept]
}
