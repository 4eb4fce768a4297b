/** An operator puts an older state of the database back and says so: clients go on with their old tokens, and nothing forks. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { leastEpoch } from '#storage/cluster/incarnation.ts'
import { openDatabase } from '#storage/pool.ts'
import { troupe } from '../cluster/command-line.ts'
import { noFork, positionsWithoutGap } from '../cluster/checker.ts'
import type { History } from '../cluster/history.ts'
import { openBeside, readEvents, readLog } from '../cluster/stored.ts'
import { type MatrixUser, register } from '../support/matrix.ts'
import { type TestDatabase, testDatabase, testServer, testStorageOptions } from '../support/postgres.ts'
import { freePort, startTroupe, type TroupeProcess } from '../support/process.ts'

/** The database of a test can be kept and put back while nothing is connected to it. */
class Backup implements AsyncDisposable {
  readonly #name: string
  readonly #copy: string

  constructor(database: TestDatabase) {
    const { url } = database.options
    assert.ok(typeof url === 'object')
    this.#name = url.database
    this.#copy = `${this.#name}_backup`
  }

  take(): Promise<void> {
    return this.#run([`create database ${this.#copy} template ${this.#name}`])
  }

  putBack(): Promise<void> {
    return this.#run([
      `drop database ${this.#name} with (force)`,
      `create database ${this.#name} template ${this.#copy}`,
    ])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#run([`drop database if exists ${this.#copy} with (force)`])
  }

  async #run(statements: readonly string[]): Promise<void> {
    await using server = await openDatabase(testStorageOptions(await testServer(), 'postgres'))
    const { sql } = server.control
    await sql`select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = ${this.#name}`
    for (const statement of statements) await sql.unsafe(statement)
  }
}

async function texts(user: MatrixUser, roomId: string): Promise<unknown[]> {
  const path = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/messages?dir=f&limit=100`
  const { chunk } = await user.ok<{ chunk: { type: string; content: { body?: string } }[] }>('GET', path)
  return chunk.filter((event) => event.type === 'm.room.message').map((event) => event.content.body)
}

test(
  'after a backup was put back old tokens get a fresh state, nothing forks, and sending goes on',
  { timeout: 90_000 },
  async () => {
    await using database = await testDatabase({ initialised: false })
    await using backup = new Backup(database)
    const port = await freePort()
    const start = (): Promise<TroupeProcess> => startTroupe({ port, env: { DATABASE_URL: database.url } })
    let server = await start()
    await using _server = { [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
    const ann = await register(server.url, 'ann')
    const ben = await register(server.url, 'ben')
    const room = await ann.createRoom({ preset: 'public_chat' })
    await ben.join(room)
    await ann.text(room, 'kept')
    const counts = await ben.ok<{ one_time_key_counts: object }>('POST', '/_matrix/client/v3/keys/upload', {
      one_time_keys: { 'curve25519:AAAAHg': 'zKbLg+NrIjpnagy+pIY6uPL4ZwEG2v+8F9lmgsnlZzs' },
    })
    assert.deepEqual(counts.one_time_key_counts, { curve25519: 1, signed_curve25519: 0 })
    await server.stop()
    await backup.take()

    server = await start()
    for (let number = 0; number < 5; number++) await ann.text(room, `lost ${number}`)
    const since = (await ben.sync()).next_batch
    const left = await ann.createRoom({ invite: [ben.userId] })
    const later = (await ben.sync(since)).next_batch
    await assert.rejects(troupe(database.url, 'restore', '--yes'), /Processes are using this database: host-/)
    await server.stop()
    await backup.putBack()
    await assert.rejects(troupe(database.url, 'restore'), /Nothing was changed\..*--yes/)
    const told = await troupe(database.url, 'restore', '--yes')
    assert.match(told, /Its newest event is of \d{4}-.*What came after that is lost/)
    assert.match(told, /Done: incarnation \d{10}\./)

    server = await start()
    // The logs pass the positions that the old tokens name: only the incarnation says that these are of another history.
    const after = Array.from({ length: 12 }, (_, number) => `after ${number}`)
    for (const text of after) await ann.text(room, text)
    for (const token of [since, later]) {
      const fresh = await ben.sync(token)
      const joined = fresh.rooms?.join?.[room]
      assert.ok(joined !== undefined, 'a room that is joined is told anew')
      assert.equal(joined.timeline?.limited, true)
      assert.ok(
        joined.state?.events.some((event) => event.type === 'm.room.create'),
        'with its whole state',
      )
      assert.equal(fresh.rooms?.invite?.[left], undefined)
      assert.equal(fresh.device_one_time_keys_count?.['curve25519'] ?? 0, 0, 'it may have been used')
    }
    const token = (await ben.sync(later)).next_batch
    await ann.text(room, 'last')
    const next = await ben.sync(token)
    assert.deepEqual(
      next.rooms?.join?.[room]?.timeline?.events.map((event) => event.content['body']),
      ['last'],
    )
    assert.deepEqual(await texts(ann, room), ['kept', ...after, 'last'])
    await using beside = await openBeside(database.url)
    const history: History = {
      sends: [],
      timelines: [],
      states: [],
      whispers: [],
      ears: [],
      claims: [],
      owners: [],
      log: await readLog(beside),
      events: await readEvents(beside, [room]),
    }
    assert.deepEqual([...noFork(history), ...positionsWithoutGap(history)], [])
    assert.ok(history.log.some(({ epoch }) => epoch >= leastEpoch(2)))
  },
)
