/**
 * The one Postgres of the simulated cluster: it carries out statements one at a time, at a moment of their own between question and
 * answer. It can be away, lose statements or answers, be slow, and go back to an earlier state as a failover to a replica that lags does.
 */

import type { CommitArguments } from '#storage/commit-arguments.ts'
import { leaseMs } from '#storage/cluster/leases.ts'
import type { CommitFailure } from '#storage/commit.ts'
import type { Settings } from '#storage/settings.ts'
import { epochMs, type Kernel, type Process } from './kernel.ts'
import { LeaseHistory, type Use } from './lease-history.ts'
import { commitBehindFence, ContentError, fencedShards, type Answer } from './model/commit-group.ts'
import { Tables } from './model/tables.ts'
import { Locked, Open, RowLocks } from './row-locks.ts'

/** A connection that failed: whether the statement was carried out is not known. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost'
}

/** How statements fare while faults are on. Probabilities for each. */
export interface ServerFaults {
  /** The connection breaks before the statement arrives. */
  readonly lostStatement: number
  /** The connection breaks before the answer arrives. */
  readonly lostAnswer: number
  /** Of a statement that takes up to `slowMs` to arrive. */
  readonly slow: number
  readonly slowMs: number
}

export const goodServer: ServerFaults = { lostStatement: 0, lostAnswer: 0, slow: 0, slowMs: 0 }

/** Usual time of a statement on its way, and of its answer, milliseconds. */
const usualMs = 1
/** A statement that takes longer is cancelled by the server, except a commit that is still on its way there. */
const statementMs = 4000
/** Usual time from the fence of a commit to its end, and that of a slow one, milliseconds. */
const transactionMs = { usual: 1, slow: 300 }
/** After so long a process finds out that a server does not answer any more. */
const silenceMs = 3000
/** A host renews its lease within this time. Milliseconds. */
const freshMs = 1500
/** So long after a start nobody is dead only because he holds no session. */
const graceMs = 5000

export const safeSettings: Settings = {
  version: 180_000,
  fsync: 'on',
  synchronousCommit: 'on',
  encoding: 'UTF8',
  inRecovery: false,
}
/** Of a server that answers before it has written, so many changes are not written when it stops. */
const unwritten = 20

/** Something that changed the tables. */
type Change = (tables: Tables) => unknown

/** One commit as it took effect. */
export interface Commit {
  readonly atMs: number
  readonly process: Process
  readonly shards: readonly {
    readonly shard: number
    readonly epoch: number
    readonly after: number
    readonly rows: number
  }[]
  /** Index of its change; changes from an index on may be lost. */
  readonly change: number
}

export class Server {
  faults: ServerFaults = goodServer
  settings = safeSettings
  readonly kernel: Kernel
  /** Processes that do not reach the server. */
  readonly cutOff = new Set<Process>()
  readonly #connections = new Set<Connection>()
  /** Sessions that hold the lock of a host's id. */
  readonly locks = new Map<number, Connection>()
  readonly commits: Commit[] = []
  /** The arguments of every commit that took effect, in their order. */
  readonly recorded: CommitArguments[] = []
  /** Commits that the server has lost by going back. */
  readonly lost: Commit[] = []
  /** Claims of shards whose owner had a lease that held. */
  readonly earlyClaims: { readonly shard: number; readonly atMs: number }[] = []
  readonly leases = new LeaseHistory()
  readonly rowLocks = new RowLocks()
  /** The last incarnation in which an owner was told that the log has lost what he wrote. */
  foundBehind = -1
  tables: Tables
  /** What happens to a process as soon as it has an answer under way to it; once. */
  readonly onAnswer = new Map<Process, () => void>()
  readonly #onChange = new Set<() => void>()
  /** Raised whenever all connections end. */
  generation = 0
  readonly #shardCount: number
  #changes: Change[] = []
  readonly #sweeps = new WeakSet<Change>()
  /** So many changes are never lost. */
  #foundation = 0
  #startedAtMs = Number.NEGATIVE_INFINITY
  #isDown = false
  #lateUntilMs = 0

  constructor(kernel: Kernel, shardCount: number) {
    this.kernel = kernel
    this.#shardCount = shardCount
    this.tables = new Tables(shardCount)
  }

  /** Seen from the server: its own clock. */
  get nowMs(): number {
    return this.kernel.nowMs
  }

  reaches(process: Process): boolean {
    return !this.#isDown && !this.cutOff.has(process)
  }

  get isDown(): boolean {
    return this.#isDown
  }

  /** Whether no statement is under way that has been slow, or has not arrived. Those of committers may take longer. */
  get isCalm(): boolean {
    return this.nowMs >= this.#lateUntilMs
  }

  /** For connections: something takes so long. */
  late(ms: number): void {
    this.#lateUntilMs = Math.max(this.#lateUntilMs, this.nowMs + ms)
  }

  /** Stops: every connection breaks. */
  stop(): void {
    this.#isDown = true
    if (this.settings.synchronousCommit === 'off') this.goBack(unwritten)
    else this.#endConnections()
  }

  start(): void {
    this.#isDown = false
    this.#startedAtMs = this.nowMs
  }

  /** How many changes there have been, less those that were lost. */
  get changeCount(): number {
    return this.#changes.length
  }

  /** What is here now has reached every replica. */
  keepAll(): void {
    this.#foundation = this.#changes.length
  }

  /** Goes on as another server that has not got the last changes. */
  failOver(lostChanges: number): void {
    this.#serverTimeline = this.tables.timeline + 1
    this.goBack(lostChanges)
  }

  /** Goes on as it was before the last changes, and nothing shows it. */
  goBack(lostChanges: number): void {
    this.#endConnections()
    this.#startedAtMs = this.nowMs
    const kept = Math.max(this.#foundation, this.#firstOfLast(lostChanges))
    this.#changes = this.#changes.slice(0, kept)
    this.tables = new Tables(this.#shardCount)
    for (const change of this.#changes) change(this.tables)
    this.#wentBackIn = this.tables.incarnation
    const isKept = (commit: Commit): boolean => commit.change < kept
    this.lost.push(...this.commits.filter((commit) => !isKept(commit)))
    this.commits.splice(0, this.commits.length, ...this.commits.filter(isKept))
    this.recorded.splice(this.commits.length)
    this.#changed()
  }

  /** Calls back after everything that changes the tables. Returns a function that ends it. */
  onChange(listener: () => void): () => void {
    this.#onChange.add(listener)
    return () => this.#onChange.delete(listener)
  }

  /** Whether nobody has noticed yet that the server went back last. */
  get isLossUnnoticed(): boolean {
    return this.tables.incarnation === this.#wentBackIn
  }
  #wentBackIn = -1

  /** The timeline that the server is on; the tables say which was seen last. */
  get serverTimeline(): number {
    return this.#serverTimeline
  }
  #serverTimeline = 1

  /** Changes the tables in a transaction; what throws has changed nothing. */
  change<T>(run: (tables: Tables) => T): T {
    const change = this.#atThisMoment(run)
    const result = change(this.tables)
    this.#changes.push(change)
    this.#changed()
    return result
  }

  /** A step of the sweep: a change that is not counted when the last ones are lost, so that no commit is kept for it. */
  sweep<T>(run: (tables: Tables) => T): T {
    const result = this.change(run)
    const change = this.#changes.at(-1)
    if (change !== undefined) this.#sweeps.add(change)
    return result
  }

  /** Where the last so many changes begin. */
  #firstOfLast(count: number): number {
    let at = this.#changes.length
    for (let left = count; at > 0 && left > 0;) {
      const change = this.#changes[--at]
      if (change !== undefined && !this.#sweeps.has(change)) left--
    }
    return at
  }

  /** The same again after the server has gone back. */
  #atThisMoment<T>(run: (tables: Tables) => T): (tables: Tables) => T {
    const nowMs = epochMs + this.nowMs
    return (tables) => {
      tables.nowMs = nowMs
      return run(tables)
    }
  }

  /** One commit of a process: it begins with the fence, which is a lock, and ends later. Throws {@link Locked}, {@link ContentError}. */
  commit(process: Process, args: CommitArguments): Answer | Open<Answer> {
    // The cast states what `commitArguments` has written.
    const parts = JSON.parse(args.shards) as { s: number; e: number; p: number; n: number }[]
    const shards = parts.map(({ s, e, p, n }) => ({ shard: s, epoch: e, after: p, rows: n }))
    const numbers = shards.map(({ shard }) => shard)
    this.rowLocks.demand(numbers)
    const fenced = fencedShards(this.tables, args)
    if (fenced.length > 0) return { kind: 'fenced', shards: fenced }
    const unlock = this.rowLocks.hold(numbers)
    return new Open(this.#transactionMs(), () => {
      try {
        const change = this.#atThisMoment((tables) => commitBehindFence(tables, args))
        const answer = change(this.tables)
        if (answer.kind === 'behind') this.foundBehind = this.tables.incarnation
        if (answer.kind !== 'committed') return answer
        this.commits.push({ atMs: this.nowMs, process, shards, change: this.#changes.length })
        this.#changes.push(change)
        this.recorded.push(args)
        this.#changed()
        return answer
      } finally {
        unlock()
      }
    })
  }

  #transactionMs(): number {
    const { random } = this.kernel
    const ms = random.fraction() < this.faults.slow ? transactionMs.slow : transactionMs.usual
    return random.fraction() * ms
  }

  /** To be called before shards are claimed. */
  noteClaims(shards: readonly number[]): void {
    for (const shard of shards) {
      const owner = this.tables.hosts.get(this.tables.shards[shard]?.owner ?? -1)
      if (owner !== undefined && owner.expiresAtMs > this.nowMs)
        this.earlyClaims.push({ shard, atMs: this.nowMs })
    }
  }

  isHostDead(tables: Tables, hostId: number): boolean {
    const host = tables.hosts.get(hostId)
    if (host === undefined || host.expiresAtMs <= this.nowMs) return true
    return this.nowMs - this.#startedAtMs > graceMs && this.locks.get(hostId)?.isOpen !== true
  }

  /** Whether a host has renewed its lease a moment ago, and holds its lock. */
  isWell(hostId: number): boolean {
    const renewedMs = (this.tables.hosts.get(hostId)?.expiresAtMs ?? 0) - leaseMs
    return this.nowMs - renewedMs < freshMs && this.locks.get(hostId)?.isOpen === true
  }

  /** All sessions of a process end with it. */
  forget(process: Process): void {
    for (const [hostId, connection] of this.locks)
      if (connection.process === process) this.locks.delete(hostId)
  }

  /** For connections: they are told when the server ends them. */
  add(connection: Connection): void {
    this.#connections.add(connection)
  }

  remove(connection: Connection): void {
    this.#connections.delete(connection)
  }

  /** For connections: the answer to a statement of a process is under way. */
  answering(process: Process): void {
    const run = this.onAnswer.get(process)
    this.onAnswer.delete(process)
    run?.()
  }

  #changed(): void {
    for (const listener of this.#onChange) listener()
  }

  #endConnections(): void {
    this.generation++
    this.locks.clear()
    this.rowLocks.clear()
    for (const connection of this.#connections) {
      if (!connection.process.isAlive) this.#connections.delete(connection)
      else this.kernel.after(this.kernel.random.fraction(), () => connection.ended(), connection.process)
    }
  }
}

/** A way from one process to the server. Statements over one that is `ordered` arrive in their order. */
export class Connection {
  readonly process: Process
  readonly server: Server
  readonly #uses = new Set<Use>()
  readonly #isOrdered: boolean
  readonly #isPatient: boolean
  readonly #onClose: (() => void) | undefined
  #generation: number
  #lastArrivalMs = 0
  #isClosed = false

  constructor(
    server: Server,
    process: Process,
    options: { ordered: boolean; patient?: boolean; onClose?: () => void },
  ) {
    this.server = server
    this.process = process
    this.#isOrdered = options.ordered
    this.#isPatient = options.patient ?? false
    this.#onClose = options.onClose
    this.#generation = server.generation
    server.add(this)
  }

  /** For the server: it has ended the connection. */
  ended(): void {
    this.#onClose?.()
  }

  /** Whether the server still knows this connection. */
  get isOpen(): boolean {
    return !this.#isClosed && this.process.isAlive && this.#generation === this.server.generation
  }

  close(): void {
    this.#isClosed = true
    this.server.remove(this)
  }

  /** For rules: what a statement over it is for. */
  use(use: Use): void {
    this.server.leases.used(use, this.#uses)
    this.#uses.add(use)
  }

  /** Carries a statement out on the server, a moment later; its answer comes after another moment. Throws {@link ConnectionLost}. */
  ask<T>(statement: (server: Server) => T | Open<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const { server, process } = this
    const { kernel, faults } = server
    const chance = kernel.random.fraction()
    const answer = (settle: () => void): void => void kernel.after(this.#delayMs(), settle, process)
    const fail = (delayMs: number): void => void kernel.after(delayMs, () => this.#lose(reject), process)
    if (!server.reaches(process)) {
      if (!server.isDown) server.late(silenceMs)
      fail(server.isDown ? 5 : silenceMs)
      return promise
    }
    this.#generation = server.generation
    const { generation } = server
    const isLost = chance < faults.lostStatement
    const losesAnswer = !isLost && chance < faults.lostStatement + faults.lostAnswer
    const carryOut = (run: () => T | Open<T>): void => {
      if (generation !== server.generation) return fail(1)
      let outcome: () => void
      try {
        const value = run()
        if (value instanceof Open) return void kernel.after(value.ms, () => carryOut(value.end))
        outcome = () => resolve(value)
      } catch (error) {
        if (error instanceof Locked) return server.rowLocks.whenUnlocked(() => carryOut(run))
        outcome = () => reject(error)
      }
      if (losesAnswer) {
        this.#break()
        fail(1)
      } else {
        answer(() => (generation === server.generation ? outcome() : this.#lose(reject)))
        server.answering(process)
      }
    }
    kernel.after(this.#arrivalMs() - kernel.nowMs, () => {
      if (isLost) this.#break()
      if (isLost || !server.reaches(process)) fail(1)
      else carryOut(() => statement(server))
    })
    return promise
  }

  /** With the connection ends its session, and with that what it has locked; the process may not know it yet. */
  #break(): void {
    const { locks } = this.server
    for (const [hostId, connection] of locks) if (connection === this) locks.delete(hostId)
  }

  #lose(reject: (error: ConnectionLost) => void): void {
    this.#onClose?.()
    reject(new ConnectionLost('the connection to the database is lost'))
  }

  #arrivalMs(): number {
    const atMs = this.server.kernel.nowMs + this.#delayMs()
    if (!this.#isOrdered) return atMs
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, atMs)
    return this.#lastArrivalMs
  }

  #delayMs(): number {
    const { kernel, faults } = this.server
    const isSlow = kernel.random.fraction() < faults.slow
    const slowMs = this.#isPatient ? faults.slowMs : Math.min(faults.slowMs, statementMs)
    const ms = kernel.random.fraction() * (isSlow ? slowMs : usualMs)
    if (isSlow && !this.#isPatient) this.server.late(ms)
    return ms
  }
}

/** Where a failure lies, as `CommitStore.classify` says it. */
export function classify(error: unknown): CommitFailure {
  if (error instanceof ConnectionLost) return 'weather'
  if (error instanceof Error && (error.name === 'AbortError' || error.name === 'TimeoutError'))
    return 'weather'
  if (error instanceof ContentError) return 'content'
  return 'content'
}
