/** Connections are ended under load, again and again: every statement is answered or fails at once, and with its own answer. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { testDatabase } from '#test/support/postgres.ts'
import { openSql } from './connection.ts'

const kills = 30
const everyMs = 100
/** No statement may take longer, whatever becomes of its connection. */
const limitMs = 3000

test(
  'a statement whose connection is lost fails soon, and the next one finds a connection',
  { timeout: 60_000 },
  async () => {
    await using db = await testDatabase({ initialised: false })
    const sql = openSql(db.options, { purpose: 'victim', max: 4 })
    let ends = 0
    let answered = 0
    let slowestMs = 0
    let goesOn = true
    const ask = async (worker: number): Promise<void> => {
      for (let n = 0; goesOn; n++) {
        const wanted = worker * 1_000_000 + n
        const beganMs = performance.now()
        // Whoever fails asks again at once: this is what meets a connection between its error and its end.
        const rows = await (
          n % 2 === 0
            ? sql<{ value: number }[]>`select ${wanted}::bigint as value`
            : sql<{ value: number }[]>`select ${wanted}::bigint as value, 'x' as other`
        ).catch(() => undefined)
        slowestMs = Math.max(slowestMs, performance.now() - beganMs)
        if (rows === undefined) continue
        assert.equal(rows[0]?.value, wanted)
        answered++
      }
    }
    const asking = Promise.all(Array.from({ length: 32 }, (_, worker) => ask(worker)))
    for (let kill = 0; kill < kills; kill++) {
      await delay(everyMs)
      const ended = await db.database.control.sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name like '%victim' and random() < 0.5`
      ends += ended.length
    }
    const before = answered
    goesOn = false
    await asking
    await sql.end({ timeout: 1 })
    assert.ok(ends > 10, `${ends} connections were ended`)
    assert.ok(before > 1000, `${before} statements were answered`)
    assert.ok(slowestMs < limitMs, `a statement took ${slowestMs.toFixed(0)} ms`)
  },
)

test('an end lasts: nothing is opened again, and statements fail', async () => {
  await using db = await testDatabase({ initialised: false })
  const sql = openSql(db.options, { purpose: 'ended', max: 2 })
  await sql`select 1`
  await sql.end({ timeout: 1 })
  await assert.rejects(async () => sql`select 1`, { code: 'CONNECTION_ENDED' })
})
