/** Processes end in time, whatever of what they are connected to has died without a word. */

import assert from 'node:assert/strict'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { socketUrl } from '#storage/connection.ts'
import { socketPort } from '#storage/embedded/server.ts'
import { register } from '../support/matrix.ts'
import { natsServer } from '../support/nats.ts'
import { testDatabase, testServer } from '../support/postgres.ts'
import { startTroupe, type TroupeProcess } from '../support/process.ts'
import { type Line, startLine } from '../support/tcp-proxy.ts'

/** As long as an end may take, milliseconds. */
const endMs = 5000
const limits = { timeout: 60_000 }

for (const role of ['gateway', 'actors', 'gateway,actors'])
  test(
    `a process of the role ${role} ends in good order within five seconds when its connections are dead and it was not told`,
    limits,
    async () => {
      await using lines = await Lines.lay()
      const process = await lines.start(role)
      for (const line of lines.all) line.silence()
      await delay(200)
      await endsInTime(process)
    },
  )

test(
  'a process ends in good order within five seconds when nothing arrives any more and a message and a sync wait',
  limits,
  async () => {
    await using lines = await Lines.lay()
    const process = await lines.start('gateway,actors')
    const alice = await register(process.url, 'alice')
    const room = await alice.createRoom()
    for (const line of lines.all) line.hold()
    const asked = Promise.allSettled([alice.sync(), alice.text(room, 'will this be kept?')])
    await delay(200)
    await endsInTime(process)
    await asked
  },
)

for (const role of ['gateway', 'actors'])
  test(
    `a process of the role ${role} that starts while neither Postgres nor NATS answers ends when it is told to`,
    limits,
    async () => {
      await using lines = await Lines.lay()
      for (const line of lines.all) line.hold()
      const process = await lines.start(role, false)
      await delay(1500)
      await endsInTime(process)
    },
  )

async function endsInTime(process: TroupeProcess): Promise<void> {
  const beganMs = performance.now()
  const code = await process.stop()
  const tookMs = performance.now() - beganMs
  assert.equal(code, 0, process.output())
  assert.ok(tookMs < endMs, `it took ${tookMs} ms`)
}

/** A database and a nats-server behind lines that can go bad. */
class Lines implements AsyncDisposable {
  readonly all: readonly Line[]
  readonly #env: Readonly<Record<string, string>>
  readonly #stack: AsyncDisposableStack

  private constructor(
    stack: AsyncDisposableStack,
    all: readonly Line[],
    env: Readonly<Record<string, string>>,
  ) {
    this.#stack = stack
    this.all = all
    this.#env = env
  }

  static async lay(): Promise<Lines> {
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
    const nats = stack.use(await startLine({ port: bus.port }))
    const { url } = database.options
    assert.ok(typeof url !== 'string')
    return new Lines(stack.move(), [postgres, nats], {
      DATABASE_URL: socketUrl({ ...url, host: directory }),
      NATS_URL: `nats://127.0.0.1:${nats.port}`,
      TROUPE_DATA_DIR: directory,
    })
  }

  /** A process over these lines. */
  async start(role: string, isAwaited = true): Promise<TroupeProcess> {
    const env = { ...this.#env, TROUPE_ROLES: role }
    return this.#stack.use(await startTroupe({ env, isAwaited }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const line of this.all) line.heal()
    await this.#stack.disposeAsync()
  }
}
