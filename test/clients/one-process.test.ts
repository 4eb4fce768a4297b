/** One process with nothing configured but a port and a folder: embedded PostgreSQL, memory bus. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { startTroupe } from '../support/process.ts'
import { twoPeopleTalk } from './story.ts'

test('two people talk end-to-end encrypted through one process', { timeout: 180_000 }, async () => {
  await using stack = new AsyncDisposableStack()
  const dataDir = await mkdtemp(join(tmpdir(), 'troupe-story-'))
  stack.defer(() => rm(dataDir, { recursive: true, force: true }))
  const server = stack.use(await startTroupe({ env: { TROUPE_DATA_DIR: dataDir } }))
  await twoPeopleTalk({ aliceUrl: server.url, bobUrl: server.url })
})
