/** Processes end in time, whatever of what they are connected to has died without a word. */

import assert from 'node:assert/strict'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { socketUrl } from '#storage/connection.ts'
import { socketPort } from '#storage/embedded/server.ts'
import { natsServer } from '../support/nats.ts'
import { testDatabase, testServer } from '../support/postgres.ts'
import { startTroupe } from '../support/process.ts'
import { startLine } from '../support/tcp-proxy.ts'

/** As long as an end may take, milliseconds. */
const endMs = 5000

for (const role of ['gateway', 'actors', 'gateway,actors'])
  test(
    `a process of the role ${role} ends in good order within five seconds when its connections are dead and it was not told`,
    { timeout: 60_000 },
    async () => {
      await using stack = new AsyncDisposableStack()
      const directory = await mkdtemp(join(tmpdir(), 'troupe-ending-'))
      stack.defer(() => rm(directory, { recursive: true, force: true }))
      await chmod(directory, 0o711)
      const database = stack.use(await testDatabase({ initialised: false }))
      const socket = `.s.PGSQL.${socketPort}`
      const { socketDirectory } = await testServer()
      const postgres = stack.use(
        await startLine({ path: join(socketDirectory, socket) }, { path: join(directory, socket) }),
      )
      const bus = stack.use(await natsServer())
      const nats = stack.use(await startLine({ port: Number(new URL(bus.url).port) }))
      const { url } = database.options
      assert.ok(typeof url !== 'string')
      const process = stack.use(
        await startTroupe({
          env: {
            DATABASE_URL: socketUrl({ ...url, host: directory }),
            NATS_URL: `nats://127.0.0.1:${nats.port}`,
            TROUPE_DATA_DIR: directory,
            TROUPE_ROLES: role,
          },
        }),
      )
      for (const line of [postgres, nats]) line.silence()
      await delay(200)
      const beganMs = performance.now()
      const code = await process.stop()
      const tookMs = performance.now() - beganMs
      assert.equal(code, 0, process.output())
      assert.ok(tookMs < endMs, `it took ${tookMs} ms`)
    },
  )
