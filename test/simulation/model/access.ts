/**
 * What the model gives out for `Reads` and `Session`: a way to the simulated server. The query functions of `storage/` are replaced by
 * those of this folder, which find the way in it; one that is not replaced meets a clear error.
 */

import type { Reads } from '#storage/reads.ts'
import type { Session } from '#storage/session.ts'
import type { Use } from '../lease-history.ts'
import type { Connection, Server } from '../server.ts'
import type { Tables } from './tables.ts'

export class ModelAccess implements Reads, Session {
  readonly connection: Connection

  constructor(connection: Connection) {
    this.connection = connection
  }

  get sql(): Reads['sql'] {
    throw new Error('the model answers no SQL: give the query function a model in test/simulation/model/')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.connection.close()
  }
}

/** One statement that reads; its snapshot is the server's state at one moment. */
export function asked<T>(
  on: Reads | Session,
  read: (tables: Tables, server: Server) => T,
  use: Use = 'other',
): Promise<T> {
  const { connection } = access(on)
  connection.use(use)
  return connection.ask((server) => read(server.tables, server))
}

export function access(on: Reads | Session): ModelAccess {
  if (!(on instanceof ModelAccess))
    throw new Error('the models of test/simulation/ serve simulated processes only')
  return on
}

/** A database that answers at once, for comparisons: no process, no faults. */
export function immediate(tables: Tables): Reads {
  const connection = {
    use: (): void => {},
    ask: <T>(statement: (server: Server) => T): Promise<T> =>
      // The cast is sound: queries look at nothing but the tables.
      Promise.resolve(statement({ tables } as unknown as Server)),
  }
  return new ModelAccess(connection as unknown as Connection)
}
