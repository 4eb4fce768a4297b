/** A bad line to Postgres, for one connection at a time: it passes everything until it is told to fail. */

import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { StorageOptions } from '#storage/connection.ts'

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

type Fault = 'none' | 'lose answer' | 'cut request'

/** Listens on a unix socket of its own. */
export async function postgresProxy(options: StorageOptions): Promise<PostgresProxy> {
  const { url } = options
  if (typeof url === 'string') throw new Error('The proxy wants an address with a socket directory.')
  const directory = await mkdtemp(join(tmpdir(), 'line-'))
  const target = join(url.host, `.s.PGSQL.${url.port}`)
  const open = new Set<Socket>()
  const silent = new WeakSet<Socket>()
  let fault: Fault = 'none'
  const server = createServer((client) => {
    const upstream = connect(target)
    for (const socket of [client, upstream]) {
      open.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => open.delete(socket))
    }
    client.on('close', () => upstream.end())
    upstream.on('close', () => client.end())
    client.on('data', (chunk) => {
      if (silent.has(client)) return
      if (fault !== 'cut request') return void upstream.write(chunk)
      fault = 'none'
      const bytes = Buffer.from(chunk)
      upstream.write(bytes.subarray(0, bytes.length >> 1), () => upstream.destroy())
      client.destroy()
    })
    upstream.on('data', (chunk) => {
      if (silent.has(upstream)) return
      if (fault !== 'lose answer') return void client.write(chunk)
      fault = 'none'
      client.destroy()
    })
  })
  server.listen(join(directory, `.s.PGSQL.${url.port}`))
  await once(server, 'listening')
  return {
    options: { ...options, url: { ...url, host: directory } },
    loseNextAnswer: () => (fault = 'lose answer'),
    cutNextRequest: () => (fault = 'cut request'),
    silence: () => open.forEach((socket) => silent.add(socket)),
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy()
      server.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}
