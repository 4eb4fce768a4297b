/** The single process is killed again and again under load; its PostgreSQL goes on and the next process adopts it. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { addressOf } from '#storage/embedded.ts'
import { findPlace } from '#storage/embedded/server.ts'
import { freePort, startTroupe, type TroupeProcess } from '../support/process.ts'
import { seedOfRun, startCrowd } from './crowd.ts'
import { recoveryMs, withOutput } from './faults.ts'
import { openBeside } from './stored.ts'

const kills = 10
/** Messages that are acknowledged between two kills. */
const messagesBetween = 60

test(
  'the single process is killed ten times under load, and nothing acknowledged is lost or doubled',
  { timeout: 180_000 },
  async (t) => {
    const seed = seedOfRun()
    t.diagnostic(`TEST_SEED=${seed}`)
    await using stack = new AsyncDisposableStack()
    const dataDir = await mkdtemp(join(tmpdir(), 'troupe-kill-'))
    stack.defer(() => rm(dataDir, { recursive: true, force: true }))
    const port = await freePort()
    const start = (): Promise<TroupeProcess> => startTroupe({ port, env: { TROUPE_DATA_DIR: dataDir } })
    let server = await start()
    stack.defer(() => server[Symbol.asyncDispose]())
    const database = stack.use(await openBeside(addressOf(await findPlace(dataDir))))
    const crowd = stack.use(
      await startCrowd({
        urls: [server.url],
        database,
        seed,
        users: 6,
        rooms: 4,
        thinkMs: 40,
        repeats: 0.3,
      }),
    )
    await withOutput(
      t,
      () => [server],
      async () => {
        const waits: number[] = []
        for (let kill = 0; kill < kills; kill++) {
          await crowd.everybodyIsServed(recoveryMs)
          await crowd.talkOn(messagesBetween, recoveryMs)
          const killedMs = performance.now()
          await server.kill()
          server = await start()
          await crowd.everybodyIsServed(recoveryMs)
          waits.push(crowd.longestWaitMs(killedMs))
        }
        t.diagnostic(`longest wait of each kill, ms: ${waits.map((ms) => ms.toFixed(0)).join(', ')}`)
        await crowd.assertNothingWentWrong()
        t.diagnostic(`${crowd.acknowledged} messages were acknowledged`)
      },
    )
  },
)
