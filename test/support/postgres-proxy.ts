/** A bad line to Postgres for one set of storage options: it passes everything until it is told to fail. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { StorageOptions } from '#storage/connection.ts'
import { startLine } from './tcp-proxy.ts'

export interface PostgresProxy extends AsyncDisposable {
  /** As the options given, over this line. */
  readonly options: StorageOptions
  /** The next request reaches the server and is answered, but the client sees its connection end instead. */
  loseNextAnswer(): void
  /** Half of the next request reaches the server, then both connections end. */
  cutNextRequest(): void
  /** From now on nothing passes on the connections that are open, and nobody learns that they have ended: the network is gone. */
  silence(): void
}

/** Listens on a unix socket of its own. */
export async function postgresProxy(options: StorageOptions): Promise<PostgresProxy> {
  const { url } = options
  if (typeof url === 'string') throw new Error('The proxy wants an address with a socket directory.')
  const directory = await mkdtemp(join(tmpdir(), 'line-'))
  const name = `.s.PGSQL.${url.port}`
  const line = await startLine({ path: join(url.host, name) }, { path: join(directory, name) })
  return {
    options: { ...options, url: { ...url, host: directory } },
    loseNextAnswer: () => line.loseNextAnswer(),
    cutNextRequest: () => line.cutNextRequest(),
    silence: () => line.silence(),
    async [Symbol.asyncDispose]() {
      await line[Symbol.asyncDispose]()
      await rm(directory, { recursive: true, force: true })
    },
  }
}
