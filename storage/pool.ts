/** Opens the database: a read-only pool, and connections of their own for those who write. */

import type { CommitStore } from './commit.ts'
import { applyInPieces, type BulkRow } from './bulk.ts'
import { PostgresCommitStore } from './commit-postgres.ts'
import { openSql, type ConnectionPurpose, type StorageOptions } from './connection.ts'
import { PoolLoads } from './pool-loads.ts'
import type { Reads } from './reads.ts'
import { Session } from './session.ts'
import { checkSettings } from './settings.ts'
import { watched } from './watched.ts'

export interface Database extends AsyncDisposable {
  /** A pool of read-only connections. */
  readonly reads: Reads
  /** One connection for the small statements of a host: claims, numbers, secrets. */
  readonly control: Session
  /** A connection of its own, which the caller disposes. A patient one waits for an answer as long as it takes. */
  session(purpose: string, onClose?: () => void, patience?: 'patient'): Session
  /** What its connections do at the moment. */
  readonly loads: PoolLoads
  /** A commit store with a connection of its own, disposed with the database. */
  commitStore(): CommitStore
  /**
   * Stores what nothing refers to yet (DESIGN.md §3, "bulk goes before"): outside of the fence, in the given order, in pieces
   * of at most 500 rows. Rows that are there already stay as they are, so that it may be repeated.
   */
  bulk(rows: readonly BulkRow[]): Promise<void>
}

/** Milliseconds: three times what a statement is given by the server, for one may have to wait for others on its connection. */
const defaultAnswerLimitMs = 15_000

/**
 * Connects and checks the server's settings. Throws `UnsafeSettings` if they would lose data, and what the driver throws if there
 * is no server.
 */
export async function openDatabase(options: StorageOptions): Promise<Database> {
  await using opening = new AsyncDisposableStack()
  const loads = new PoolLoads()
  const open = (purpose: ConnectionPurpose): Session =>
    new Session(
      openSql(options, { answerLimitMs: options.answerLimitMs ?? defaultAnswerLimitMs, loads, ...purpose }),
    )
  const control = opening.use(open({ purpose: 'control', max: 1 }))
  const writer = opening.use(open({ purpose: 'bulk', max: 1 }))
  const reader = opening.use(open({ purpose: 'reads', max: options.reads, readOnly: true }))
  await checkSettings(control)
  // From here on they are the caller's.
  opening.move()
  const all: AsyncDisposable[] = [control, writer, reader]
  let commits = 0
  return {
    reads: { sql: watched(reader.sql, options.reads) },
    control,
    loads,
    session: (purpose, onClose, patience) => {
      const wanted = { purpose, max: 1, loads, ...(onClose && { onClose }) }
      return patience === 'patient' ? new Session(openSql(options, wanted)) : open(wanted)
    },
    commitStore: () => {
      const purpose = `commit ${++commits}`
      // Without a limit of its own: the committer gives a call up that is not answered, and repeats it.
      const store = new PostgresCommitStore((onClose) =>
        openSql(options, { purpose, max: 1, loads, onClose }),
      )
      all.push(store)
      return store
    },
    bulk: (rows) => applyInPieces(writer, rows),
    // Together, for a server that does not answer is waited for by each.
    [Symbol.asyncDispose]: async () => void (await Promise.all(all.map((one) => one[Symbol.asyncDispose]()))),
  }
}
