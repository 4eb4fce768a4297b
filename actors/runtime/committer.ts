/**
 * A committer takes the decisions of its shards to the database (DESIGN.md §3, "Group commit"). It clocks itself: while one call is in
 * flight, whatever is decided next waits and goes together into the following one.
 *
 *   submit ─► queue ─► group ─► store ─┬─ committed ─► settle in order, tell followers
 *                ▲                     ├─ fenced ────► those lanes close, the rest again as it is
 *                │                     ├─ behind ────► ownership raises the incarnation
 *             pieces ◄─ rest, halves ──┼─ seen ──────► the bearers fail, the rest again
 *                                      ├─ content ───► halves, until the culprit stands alone
 *                                      └─ weather ───► the same call again, until it is answered or the lease is over
 *
 * Invariants:
 * - One call is in flight at a time, so a lane's position is known whenever a group is built.
 * - After a lost answer a part is sent again unchanged: if the first attempt had landed, the store recognises it.
 * - The decisions of one actor are committed in their order, and none after one that failed.
 */

import type { CommitResult, CommitStore } from '#storage/commit.ts'
import { delay, type Clock, type Random } from './clock.ts'
import { entriesOf, fitting, halves, partsOf, toGroups, type Part } from './commit-group.ts'
import type { CommittedListener } from './committed.ts'
import { guarded, reportCommit, type CommitEvent } from './events.ts'
import { ContentRefused, Discarded, Fenced, SeenTransaction, type CommitFailed } from './failures.ts'
import type { Lane, Submission } from './lane.ts'

export interface CommitterOptions {
  readonly store: CommitStore
  readonly clock: Clock
  readonly random: Random
  /** A lane's log has grown. Called after the decisions have been settled. */
  readonly onCommitted: CommittedListener
  /** The lane has been closed because the shard has another owner, or stands where its owner does not know. */
  readonly onLost: (lane: Lane, why: string) => void
  /** These logs end before what was committed: the database has lost commits. The lanes have been closed. */
  readonly onBehind: (lanes: readonly Lane[]) => void
  /** For a while there has been no connection to be had; called again after each further while. What waits goes on waiting. */
  readonly onRefused?: (error: unknown) => void
  /**
   * A group has not been answered for a while, and called again after each second in which it is not. It goes on being sent; whoever waits
   * for it should be told rather than kept.
   */
  readonly onStalled?: (isFirst: boolean) => void
}

/** So many decisions may wait; beyond, requests should be refused before they decide. */
export const queueLimit = 20_000

const maxBackoffMs = 1000
/** A call without an answer for so long is given up and made again: its connection may be dead. More than a statement may take. */
const answerLimitMs = 10_000
/** So long whoever waits for a group is kept waiting: a restart of Postgres may take less. */
const stallMs = 4000
const stallAgainMs = 1000
/** So long no connection may be to be had: others may get some, before anybody is told that he waits in vain. */
const refusedLimitMs = 3000
/** So many refusals for content in a row, with no success between, are not the actors' fault. */
const maxStrikes = 3

export class Committer {
  readonly #options: CommitterOptions
  #queue: Submission[] = []
  /** What goes before the queue: the rest of a group that could not go as a whole. The last one is next. */
  #pieces: Submission[][] = []
  #running = false
  /** The group in flight has not been answered for a while. */
  #stalled = false
  /** Since when no connection has been to be had, monotonic. */
  #refusedSinceMs: number | undefined
  #inFlight: { readonly parts: readonly Part[]; readonly abort: AbortController } | undefined

  constructor(options: CommitterOptions) {
    this.#options = options
  }

  /** True while so much waits that new requests should be refused. */
  get full(): boolean {
    return this.#queue.length >= queueLimit
  }

  /** True while it is not to be known when what is decided now can be committed. */
  get stalled(): boolean {
    return this.#stalled
  }

  /** Takes a decision on. It is settled exactly once, possibly before this returns if the lane is closed. */
  submit(submission: Submission): void {
    const { lane } = submission
    if (lane.closed) return submission.settle(new Fenced(lane.shard, lane.epoch, 'the lane is closed'))
    lane.enter()
    this.#queue.push(submission)
    if (this.#running) return
    this.#running = true
    queueMicrotask(() => void this.#run())
  }

  /** Gives a shard up: whatever of it is on its way fails at once with {@link Fenced}. Idempotent. */
  close(lane: Lane, why: string): void {
    if (lane.closed) return
    lane.closed = true
    const failure = new Fenced(lane.shard, lane.epoch, why)
    const flight = this.#inFlight
    const flying = flight?.parts.find((part) => part.lane === lane)
    for (const submission of flying?.submissions ?? []) settle(submission, failure)
    this.#failWhere((submission) => submission.lane === lane, failure)
    if (flight !== undefined && flight.parts.every((part) => part.lane.closed)) flight.abort.abort(failure)
  }

  async #run(): Promise<void> {
    for (let next = this.#next(); next !== undefined; next = this.#next()) await this.#commit(next)
    this.#running = false
  }

  #next(): Submission[] | undefined {
    const piece = this.#pieces.pop()
    if (piece !== undefined) return piece
    if (this.#queue.length === 0) return undefined
    const count = fitting(this.#queue)
    if (count < this.#queue.length) return this.#queue.splice(0, count)
    const all = this.#queue
    this.#queue = []
    return all
  }

  /** Sends one group until its fate is known. */
  async #commit(submissions: readonly Submission[]): Promise<void> {
    let parts = partsOf(submissions)
    const { clock } = this.#options
    const tell = (): void => {
      const isFirst = !this.#stalled
      this.#stalled = true
      // Others may begin to wait in ways that nobody sees.
      stall = clock.after(stallAgainMs, tell)
      this.#options.onStalled?.(isFirst)
    }
    let stall = clock.after(stallMs, tell)
    for (let attempt = 0; ; attempt++) {
      parts = parts.filter((part) => !part.lane.closed)
      if (parts.length === 0) break
      const abort = new AbortController()
      this.#inFlight = { parts, abort }
      const outcome = await this.#call(parts, abort)
      this.#noteRefusal(outcome)
      if (outcome.kind === 'weather') await this.#pause(attempt, abort.signal)
      else if (!this.#handle(outcome, parts)) break
    }
    stall.cancel()
    this.#stalled = false
    this.#inFlight = undefined
  }

  #noteRefusal(outcome: Outcome): void {
    const { clock, store, onRefused } = this.#options
    if (!('error' in outcome) || !store.isRefusal(outcome.error)) {
      this.#refusedSinceMs = undefined
      return
    }
    this.#refusedSinceMs ??= clock.monotonic()
    if (clock.monotonic() - this.#refusedSinceMs < refusedLimitMs) return
    this.#refusedSinceMs = undefined
    onRefused?.(outcome.error)
  }

  async #call(parts: readonly Part[], abort: AbortController): Promise<Outcome> {
    const { store, clock } = this.#options
    const startMs = clock.monotonic()
    const limit = clock.after(answerLimitMs, () => abort.abort(noAnswer()))
    let outcome: Outcome
    try {
      outcome = await store.commit(toGroups(parts), abort.signal)
    } catch (error) {
      outcome = { kind: store.classify(error), error }
    } finally {
      limit.cancel()
    }
    const rows = parts.reduce((sum, part) => sum + part.rows, 0)
    const event: CommitEvent = {
      rows,
      shards: parts.length,
      ms: clock.monotonic() - startMs,
      result: outcome.kind,
    }
    reportCommit('error' in outcome ? { ...event, error: outcome.error } : event)
    return outcome
  }

  /** Acts on an answer. True: what is still open of the same parts must be sent again, as it is. */
  #handle(outcome: Exclude<Outcome, { kind: 'weather' }>, parts: readonly Part[]): boolean {
    if (outcome.kind === 'fenced' || outcome.kind === 'behind') {
      const refused = parts
        .filter((part) => outcome.shards.includes(part.lane.shard))
        .map((part) => part.lane)
      this.#refused(outcome.kind, refused)
      return true
    }
    this.#inFlight = undefined
    const open = parts.filter((part) => !part.lane.closed)
    const submissions = open.flatMap((part) => part.submissions)
    if (outcome.kind === 'committed') this.#committed(open)
    else if (outcome.kind === 'seen') this.#seen(new Set(outcome.txnKeys), submissions)
    else this.#split(submissions, outcome.error)
    return false
  }

  #refused(kind: 'fenced' | 'behind', lanes: readonly Lane[]): void {
    const open = lanes.filter((lane) => !lane.closed)
    const why = kind === 'fenced' ? 'it has another owner' : 'the database has lost commits'
    for (const lane of open) this.close(lane, why)
    if (open.length === 0) return
    if (kind === 'behind') this.#options.onBehind(open)
    else for (const lane of open) this.#options.onLost(lane, why)
  }

  #committed(parts: readonly Part[]): void {
    for (const { lane, rows } of parts) {
      lane.position += rows
      lane.strikes = 0
    }
    for (const part of parts) for (const submission of part.submissions) settle(submission, undefined)
    for (const part of parts) {
      if (part.rows === 0) continue
      const { shard, epoch, position: to } = part.lane
      const batch = { shard, epoch, prev: to - part.rows, to, entries: entriesOf(part) }
      guarded('onCommitted', () => this.#options.onCommitted(batch))
    }
  }

  /** Nothing was written. The bearers of the keys fail; the rest goes again, since their rows are to stand elsewhere now. */
  #seen(keys: ReadonlySet<string>, submissions: readonly Submission[]): void {
    const failed = new Set<object>()
    const rest: Submission[] = []
    for (const submission of submissions) {
      const bears = keysOf(submission).filter((key) => keys.has(key))
      if (failed.has(submission.actor)) settle(submission, afterFailure())
      else if (bears.length === 0) rest.push(submission)
      else {
        failed.add(submission.actor)
        settle(submission, new SeenTransaction(bears))
      }
    }
    if (rest.length > 0) this.#pieces.push(rest)
    this.#failWhere((submission) => failed.has(submission.actor), afterFailure())
  }

  #split(submissions: readonly Submission[], error: unknown): void {
    const parts = halves(submissions)
    if (parts !== undefined) {
      this.#pieces.push(parts[1], parts[0])
      return
    }
    const culprit = submissions[0]
    if (culprit === undefined) return
    const { actor, lane } = culprit
    settle(culprit, new ContentRefused(error))
    this.#failWhere((submission) => submission.actor === actor, afterFailure())
    if (++lane.strikes < maxStrikes || lane.closed) return
    this.close(lane, 'the database refuses every decision')
    this.#options.onLost(lane, 'the database refuses every decision')
  }

  /** Takes out of everything that waits what fits, and settles it. */
  #failWhere(fits: (submission: Submission) => boolean, failure: CommitFailed): void {
    const failed: Submission[] = []
    const keep = (submission: Submission): boolean => {
      if (!fits(submission)) return true
      failed.push(submission)
      return false
    }
    // The pieces come first: their decisions are the older ones.
    this.#pieces = this.#pieces.map((piece) => piece.filter(keep)).filter((piece) => piece.length > 0)
    this.#queue = this.#queue.filter(keep)
    for (const submission of failed) settle(submission, failure)
  }

  async #pause(attempt: number, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#options
    const waitMs = Math.min(maxBackoffMs, 20 * 2 ** Math.min(attempt, 10))
    try {
      await delay(clock, waitMs * (0.5 + random.fraction() / 2), signal)
    } catch {
      // Aborted because every lane has been closed: the loop sees it and ends.
    }
  }
}

type Outcome = CommitResult | { readonly kind: 'content' | 'weather'; readonly error: unknown }

function settle(submission: Submission, failure: CommitFailed | undefined): void {
  submission.settle(failure)
  submission.lane.leave()
}

/** Store implementations know the name: whether the call was carried out is not known. */
function noAnswer(): DOMException {
  return new DOMException('The database has not answered in time.', 'TimeoutError')
}

function afterFailure(): Discarded {
  return new Discarded('an earlier decision of the same actor was not committed')
}

function keysOf(submission: Submission): string[] {
  const keys: string[] = []
  for (const row of submission.writes.log) if (row.txnKey !== undefined) keys.push(row.txnKey)
  return keys
}
