/** The database as one process has it: `Database` of `storage/pool.ts`, on the simulated server. */

import { commitArguments, type CommitArguments } from '#storage/commit-arguments.ts'
import type { CommitFailure, CommitResult, CommitStore, ShardGroup } from '#storage/commit.ts'
import { PoolLoads } from '#storage/pool-loads.ts'
import type { Database } from '#storage/pool.ts'
import type { Process } from './kernel.ts'
import { ModelAccess } from './model/access.ts'
import { checkIncarnation } from './model/cluster/incarnation.ts'
import { classify, Connection, type Server } from './server.ts'

/** Opens a database of a process. */
export function openModelDatabase(server: Server, process: Process): Database {
  process.onDeath(() => server.forget(process))
  const connect = (onClose?: () => void): ModelAccess =>
    new ModelAccess(new Connection(server, process, { ordered: true, ...(onClose && { onClose }) }))
  return {
    reads: new ModelAccess(new Connection(server, process, { ordered: false })),
    control: connect(),
    loads: new PoolLoads(),
    session: (_purpose, onClose) => connect(onClose),
    commitStore: () => new ModelCommitStore(server, process),
    bulk: () => Promise.reject(new Error('the model stores nothing in bulk')),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

/** As `storage/commit-postgres.ts` does it: over a connection of its own, which is checked when it is new. */
class ModelCommitStore implements CommitStore {
  readonly #server: Server
  readonly #process: Process
  #access: ModelAccess
  #unchecked = true

  constructor(server: Server, process: Process) {
    this.#server = server
    this.#process = process
    this.#access = this.#connect()
  }

  open(signal: AbortSignal): Promise<void> {
    const access = this.#access
    return this.#limited(
      () => (this.#unchecked ? this.#check(access) : access.connection.ask(() => {})),
      signal,
    )
  }

  async commit(groups: readonly ShardGroup[], signal?: AbortSignal): Promise<CommitResult> {
    signal?.throwIfAborted()
    const args = commitArguments(groups)
    const access = this.#access
    const call = (): Promise<CommitResult> => this.#call(access, args)
    return signal === undefined ? call() : this.#limited(call, signal)
  }

  /** Waits for an answer over the present connection; when the signal ends that, it is given up. */
  async #limited<T>(call: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const aborted = Promise.withResolvers<never>()
    const giveUp = (): void => {
      this.#access = this.#connect()
      this.#unchecked = true
      aborted.reject(signal.reason)
    }
    signal.addEventListener('abort', giveUp, { once: true })
    const calling = call()
    // Nobody waits for what was given up.
    calling.catch(() => {})
    aborted.promise.catch(() => {})
    try {
      return await Promise.race([calling, aborted.promise])
    } finally {
      signal.removeEventListener('abort', giveUp)
    }
  }

  classify(error: unknown): CommitFailure {
    return classify(error)
  }

  isRefusal(): boolean {
    return false
  }

  async #call(access: ModelAccess, args: CommitArguments): Promise<CommitResult> {
    if (this.#unchecked) await this.#check(access)
    const answer = await access.connection.ask((server) => server.commit(this.#process, args))
    switch (answer.kind) {
      case 'committed':
      case 'landed':
        return { kind: 'committed' }
      case 'fenced':
      case 'behind':
        return { kind: answer.kind, shards: answer.shards }
      case 'seen': {
        const txnKeys = answer.keys.map((key) => Buffer.from(key, 'hex').toString('base64url'))
        return { kind: 'seen', txnKeys }
      }
    }
  }

  async #check(access: ModelAccess): Promise<void> {
    this.#unchecked = false
    try {
      await checkIncarnation(access)
    } catch (error) {
      this.#unchecked = true
      throw error
    }
  }

  #connect(): ModelAccess {
    const onClose = (): void => {
      this.#unchecked = true
    }
    return new ModelAccess(
      new Connection(this.#server, this.#process, { ordered: true, patient: true, onClose }),
    )
  }
}
