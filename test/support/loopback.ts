/** A plain HTTP server on loopback that stands for one of the outside. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'

export interface LoopbackServer extends AsyncDisposable {
  /** Without a trailing slash. */
  readonly url: string
}

/** Serves until disposed; connections that are open then are closed. */
export async function serving(listener: RequestListener): Promise<LoopbackServer> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  return {
    url: `http://127.0.0.1:${address.port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await server[Symbol.asyncDispose]()
    },
  }
}
