/** The sweep on Postgres: small transactions over a connection that may write and that nothing waits for. */

import { logKindName } from '../log-kinds.ts'
import type { Session } from '../session.ts'
import {
  expiredAtOnce,
  type ExpiredKind,
  type LogStep,
  type LogStepResult,
  type SweepStore,
  type SweptLogKind,
} from './sweep.ts'

/** What `sweep_log` returns; `deleted` by the number of the kind. */
type Answer =
  | { readonly kind: 'fenced' }
  | {
      readonly kind: 'done'
      readonly deleted: Readonly<Record<string, number>>
      readonly wait: number | null
    }

/** So long it is known of a one-time key that it was given out, milliseconds: longer than a client repeats an upload. */
const claimedForMs = 86_400_000

export class PostgresSweepStore implements SweepStore {
  readonly #session: Session

  constructor(session: Session) {
    this.#session = session
  }

  async sweepLog({ shard, epoch, upTo, ageMs, look }: LogStep): Promise<LogStepResult> {
    const [row] = await this.#session.sql<{ answer: Answer }[]>`
      select sweep_log(${shard}, ${epoch}, ${upTo}, ${ageMs}::float8 * interval '1 ms', ${look}) as answer`
    if (row === undefined) throw new Error('sweep_log returned no row')
    const { answer } = row
    if (answer.kind === 'fenced') return answer
    // The cast states what the function deletes: rows of these kinds alone.
    const deleted = Object.entries(answer.deleted).map(
      ([kind, rows]) => [logKindName(Number(kind)) as SweptLogKind, rows] as const,
    )
    return { kind: 'done', deleted: Object.fromEntries(deleted), waitMs: answer.wait ?? undefined }
  }

  async sweepExpired(beforeMs: number): Promise<Record<ExpiredKind, number>> {
    const { sql } = this.#session
    // Rows that a commit has locked are left for the next time, so that the two never wait for each other in a circle.
    const loginTokens = await sql`
      delete from login_token where token_hash in (
        select token_hash from login_token where expires_at < ${beforeMs} order by expires_at limit ${expiredAtOnce}
        for update skip locked)`
    const openIdTokens = await sql`
      delete from openid_token where token_hash in (
        select token_hash from openid_token where expires_at < ${beforeMs} order by expires_at limit ${expiredAtOnce}
        for update skip locked)`
    const media = await sql`
      delete from media where media_id in (
        select media_id from media where size < 0 and expires_at < ${beforeMs} limit ${expiredAtOnce}
        for update skip locked)`
    const claimedKeys = await sql`
      delete from claimed_key where ctid = any (array(
        select ctid from claimed_key where claimed_at < ${beforeMs - claimedForMs} order by claimed_at limit ${expiredAtOnce}
        for update skip locked))`
    return {
      loginToken: loginTokens.count,
      openIdToken: openIdTokens.count,
      media: media.count,
      claimedKey: claimedKeys.count,
    }
  }
}
