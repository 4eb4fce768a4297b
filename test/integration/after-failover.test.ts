/**
 * A standby that lacks the newest commits takes the database's place under a running host. Whatever fails for that is asked again or
 * refused for the moment, and never held against those who ask.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MatrixError } from '#protocol/errors.ts'
import type { Database } from '#storage/pool.ts'
import type { Reads } from '#storage/reads.ts'
import { Person, textOf } from '../support/account-people.ts'
import { startAccountServer } from '../support/account-server.ts'
import { type Response, SyncWorld } from '../support/sync-world.ts'

const limit = { timeout: 60_000 }

/** The tables that say what has been committed, as far as rooms go. */
const tables = ['log', 'room', 'event', 'state_node'] as const

/** Keeps everything up to now under a name. */
async function keep({ control: { sql } }: Database, name: string): Promise<void> {
  for (const table of tables) await sql`create table ${sql(`${name}_${table}`)} as table ${sql(table)}`
}

/** What was kept is there, and nothing else. */
async function putBack({ control: { sql } }: Database, name: string): Promise<void> {
  await sql.begin(async (transaction) => {
    for (const table of tables) {
      await transaction`delete from ${sql(table)}`
      await transaction`insert into ${sql(table)} select * from ${sql(`${name}_${table}`)}`
    }
  })
}

/** And that on a server that is another than before; of which no connection tells. */
async function goBack(database: Database, name: string): Promise<void> {
  await putBack(database, name)
  await database.control.sql`update cluster set timeline = timeline + 1`
}

async function loseConnections({ control: { sql } }: Database): Promise<void> {
  await sql`select pg_terminate_backend(pid, 5000) from pg_stat_activity
    where datname = current_database() and application_name like 'host1%'`
}

test(
  'a sync that meets rows that are gone is asked again, however often, and served when that is noticed',
  limit,
  async () => {
    await using world = await SyncWorld.open()
    const { database } = world
    const [ann, ben] = [await world.person('ann'), await world.person('ben')]
    const kept = await world.room(ann)
    await ben.member(kept, 'join')
    await ann.send(kept, 'kept')
    await keep(database, 'standby')
    const since = (await ben.sync()).next_batch
    await ann.state(kept, 'm.room.topic', { topic: 'lost' })
    const lost = await world.room(ann)
    await ben.member(lost, 'join')
    for (let n = 0; n < 20; n++) await ann.send(kept, `lost ${n}`)
    await goBack(database, 'standby')
    // His actor knows by heart how far the logs went and what was said there; what else it takes to count it unread is read.
    const request = { since, fullState: true, timeoutMs: 200 }
    for (let n = 0; n < 5; n++) await ben.sync(request)
    await loseConnections(database)
    let fresh: Response
    for (const endMs = performance.now() + 30_000; fresh?.rooms === undefined;) {
      assert.ok(performance.now() < endMs, 'the incarnation has not been raised')
      fresh = await ben.sync({ since })
    }
    assert.deepEqual(Object.keys(fresh.rooms.join), [kept])
    const types = fresh.rooms.join[kept].timeline.events.map((event: { type: string }) => event.type)
    assert.deepEqual([types.includes('m.room.message'), types.includes('m.room.topic')], [true, false])
    await ann.sync(request)
    await ann.send(kept, 'goes on')
    await assert.rejects(
      ann.send(lost, 'to nobody'),
      (error) => error instanceof MatrixError && error.status === 404,
    )
  },
)

/** Reads before one of which something happens. */
class Interrupted {
  readonly #own: Reads
  #left = 0
  #happen: (() => Promise<void>) | undefined

  constructor(own: Reads) {
    this.#own = own
  }

  /** Before the statement after so many others. */
  before(statements: number, happen: () => Promise<void>): void {
    this.#left = statements
    this.#happen = happen
  }

  /** It need not happen any more. Returns whether it has happened. */
  end(): boolean {
    const happened = this.#happen === undefined
    this.#happen = undefined
    return happened
  }

  get sql(): Reads['sql'] {
    return new Proxy(this.#own.sql, {
      apply: (target, self, args: unknown[]): unknown => {
        const statement: unknown = Reflect.apply(target, self, args)
        if (statement instanceof Promise) this.#delay(statement)
        return statement
      },
    })
  }

  /** A statement is sent when somebody begins to wait for it, which is a call of its `then`; one that is a part of another never is. */
  #delay(statement: Promise<unknown>): void {
    const wait = statement.then.bind(statement)
    // oxlint-disable-next-line unicorn/no-thenable
    statement.then = (...callbacks) => {
      const happen = this.#left-- === 0 ? this.#happen : undefined
      if (happen === undefined) return wait(...callbacks)
      this.#happen = undefined
      return happen().then(() => wait(...callbacks))
    }
  }
}

test(
  'a read between two statements of which the database goes back is answered, or refused for the moment',
  limit,
  async () => {
    let reads: Interrupted | undefined
    await using server = await startAccountServer({ reads: (own) => (reads = new Interrupted(own)) })
    assert.ok(reads !== undefined)
    const { database } = server
    const [ann, ben] = [await Person.register(server), await Person.register(server)]
    const roomId = textOf(
      await ann.must('POST', '/createRoom', { preset: 'public_chat', name: 'kept' }),
      'room_id',
    )
    const room = `/rooms/${encodeURIComponent(roomId)}`
    await ben.must('POST', `/join/${encodeURIComponent(roomId)}`, {})
    await keep(database, 'standby')
    await ann.must('PUT', `${room}/state/m.room.topic/`, { topic: 'lost' })
    const said = await ann.must('PUT', `${room}/send/m.room.message/1`, { body: 'lost' })
    const event = encodeURIComponent(textOf(said, 'event_id'))
    await keep(database, 'primary')
    const statuses = new Map<number, number>()
    const paths = [
      'messages?dir=b',
      'messages?dir=f',
      'members',
      'joined_members',
      'state',
      `context/${event}`,
    ]
    for (const path of paths) {
      let happened = true
      for (let statements = 0; happened; statements++) {
        reads.before(statements, () => putBack(database, 'standby'))
        const { status } = await ben.call('GET', `${room}/${path}`)
        happened = reads.end()
        statuses.set(status, (statuses.get(status) ?? 0) + 1)
        await putBack(database, 'primary')
      }
    }
    assert.ok((statuses.get(503) ?? 0) > 0, 'rows that are gone were met')
    assert.deepEqual(
      [...statuses.keys()].filter((status) => ![200, 404, 503].includes(status)),
      [],
    )
  },
)
