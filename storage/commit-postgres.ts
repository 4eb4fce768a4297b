/**
 * The commit store on Postgres: one call of `commit_group` per group, over a connection that serves nothing else. The
 * statement is prepared and commits by itself, so that a group is one round trip and its locks are never held over one.
 * Before the first call over a new connection it is found out whether this is still the database that it was.
 */

import type postgres from 'postgres'

import { checkIncarnation } from './cluster/incarnation.ts'
import { commitArguments, type CommitArguments } from './commit-arguments.ts'
import type { CommitFailure, CommitResult, CommitStore, ShardGroup } from './commit.ts'
import type { Sql } from './connection.ts'
import { commitDone, type CommitFact } from './events.ts'
import { Session } from './session.ts'

/** What `commit_group` returns. */
type Answer =
  | { readonly kind: 'committed' | 'landed' }
  | { readonly kind: 'fenced' | 'behind'; readonly shards: readonly number[] }
  | { readonly kind: 'seen'; readonly keys: readonly string[] }

interface AnswerRow {
  readonly answer: Answer
}

/** The most runs that are parameters of their own. */
const directRuns = 8

export class PostgresCommitStore implements CommitStore, AsyncDisposable {
  readonly #connect: () => Sql
  #sql: Sql
  /** Whether the connection may lead to another server than the one before. */
  #unchecked = true

  /** `connect` opens a client that calls back whenever it has lost its connection. */
  constructor(connect: (onClose: () => void) => Sql) {
    this.#connect = () =>
      connect(() => {
        this.#unchecked = true
      })
    this.#sql = this.#connect()
  }

  async open(signal: AbortSignal): Promise<void> {
    const sql = this.#sql
    await this.#limited<unknown>(
      this.#unchecked ? this.#check(sql) : sql`select epoch from shard limit 1`,
      signal,
    )
  }

  async commit(groups: readonly ShardGroup[], signal?: AbortSignal): Promise<CommitResult> {
    signal?.throwIfAborted()
    const args = commitArguments(groups)
    const start = performance.now()
    const report = (outcome: CommitFact['outcome'], code?: string): void =>
      commitDone({
        outcome,
        shards: groups.length,
        logRows: args.logRows,
        rows: args.rows,
        bytes: args.log.length + args.runs.reduce((sum, run) => sum + run.length, 0),
        durationMs: performance.now() - start,
        ...(code !== undefined && { code }),
      })
    try {
      const result = resultOf(await this.#call(args, signal))
      report(result.kind)
      return result
    } catch (error) {
      report('failed', codeOf(error))
      throw error
    }
  }

  classify(error: unknown): CommitFailure {
    if (error instanceof Error && (error.name === 'AbortError' || error.name === 'TimeoutError'))
      return 'weather'
    return classifyCode(codeOf(error))
  }

  isRefusal(error: unknown): boolean {
    return refusals.has(codeOf(error) ?? '')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sql.end({ timeout: 0.5 })
  }

  /** One call. When the signal ends it, whether the transaction commits is unknown. */
  async #call(args: CommitArguments, signal: AbortSignal | undefined): Promise<Answer> {
    const sql = this.#sql
    const query = this.#unchecked ? this.#checkThenCall(sql, args) : callOf(sql, args)
    return answerOf(await (signal === undefined ? query : this.#limited(query, signal)))
  }

  /** Waits for an answer over the present connection. When the signal ends that, the connection is given up. */
  async #limited<T>(query: PromiseLike<T>, signal: AbortSignal): Promise<T> {
    const sql = this.#sql
    const aborted = Promise.withResolvers<never>()
    const giveUp = (): void => {
      if (this.#sql === sql) {
        this.#sql = this.#connect()
        this.#unchecked = true
      }
      aborted.reject(signal.reason)
      // The old connection fails this very call; nobody waits for it any more.
      void sql.end({ timeout: 0 })
    }
    signal.addEventListener('abort', giveUp, { once: true })
    try {
      return await Promise.race([query, aborted.promise])
    } finally {
      signal.removeEventListener('abort', giveUp)
    }
  }

  async #checkThenCall(sql: Sql, args: CommitArguments): Promise<readonly AnswerRow[]> {
    await this.#check(sql)
    return callOf(sql, args)
  }

  /** Another server may have lost commits: then the epochs are raised first, and the call finds itself fenced. */
  async #check(sql: Sql): Promise<void> {
    // Set before the check: a connection that is lost meanwhile is noticed.
    this.#unchecked = false
    try {
      await checkIncarnation(new Session(sql))
    } catch (error) {
      this.#unchecked = true
      throw error
    }
  }
}

/** The statement. One with few runs is prepared once per number of runs; one with many takes them out of one text. */
function callOf(sql: Sql, { shards, log, kinds, runs }: CommitArguments): postgres.PendingQuery<AnswerRow[]> {
  if (runs.length > directRuns) {
    return sql`
      select commit_group(${shards}, ${log}, ${kinds}, variadic array(
        select value from json_array_elements(${`[${runs.join(',')}]`}) with ordinality order by ordinality)) as answer`
  }
  // An argument list of this project's own JSON texts; the empty list is written as an array, for which no argument is given.
  const list =
    runs.length === 0
      ? sql`variadic '{}'::json[]`
      : runs.map((run, i) => (i === 0 ? sql`${run}` : sql`, ${run}`))
  return sql`select commit_group(${shards}, ${log}, ${kinds}, ${list}) as answer`
}

function answerOf(rows: readonly AnswerRow[]): Answer {
  const [row] = rows
  if (!row) throw new Error('commit_group returned no row')
  return row.answer
}

function resultOf(answer: Answer): CommitResult {
  switch (answer.kind) {
    case 'committed':
    case 'landed':
      return { kind: 'committed' }
    case 'fenced':
    case 'behind':
      return { kind: answer.kind, shards: answer.shards }
    case 'seen':
      return {
        kind: 'seen',
        txnKeys: answer.keys.map((key) => Buffer.from(key, 'hex').toString('base64url')),
      }
  }
}

/** SQLSTATE of what Postgres threw, the driver's or the system's code of a connection that was lost, else undefined. */
function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** Whether a statement was cancelled for its time. A commit may be too large; a read meets a server that has too much to do. */
export function ranOutOfTime(error: unknown): boolean {
  return codeOf(error) === '57014'
}

/** The server takes no connection or cannot be reached. */
const refusals: ReadonlySet<string> = new Set([
  '53300', // too many connections, of all or of this role
  '53400',
  '28000',
  '28P01',
  'ECONNREFUSED',
  'ENOENT',
  'CONNECT_TIMEOUT',
])

// 42: an undefined function or column; P0: raised by commit_group when the group contradicts the log.
const contentClasses: ReadonlySet<string> = new Set(['22', '23', '42', '54', 'P0'])

/**
 * Where a failure lies. Codes without five characters are those of the driver and of the system; they and everything that no
 * change of the group would heal (also 25006 after a failover, and errors of the server's own) are weather.
 */
export function classifyCode(code: string | undefined): CommitFailure {
  if (code === undefined) return 'content'
  if (code === '57014') return 'content'
  return /^[0-9A-Z]{5}$/.test(code) && contentClasses.has(code.slice(0, 2)) ? 'content' : 'weather'
}
