/** Connections are ended under load, again and again: every statement is answered or fails at once, and with its own answer. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { postgresProxy } from '#test/support/postgres-proxy.ts'
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

test('the cut ends what waits for an answer at once, and whoever asks later or opens another client fails, too', async () => {
  await using db = await testDatabase({ initialised: false })
  const cut = new AbortController()
  const options = { ...db.options, cut: cut.signal }
  const sql = openSql(options, { purpose: 'cut', max: 2 })
  await sql`select 1`
  const waiting = assert.rejects(async () => sql`select pg_sleep(20)`, { code: 'CONNECTION_DESTROYED' })
  // So that it is on its way.
  await delay(100)
  const beganMs = performance.now()
  cut.abort()
  await waiting
  await assert.rejects(async () => sql`select 1`, { code: 'CONNECTION_ENDED' })
  const later = openSql(options, { purpose: 'late', max: 1 })
  await assert.rejects(async () => later`select 1`, { code: /^CONNECTION_/ })
  assert.ok(performance.now() - beganMs < limitMs)
})

test('a connection that answers nothing is thrown away with its statements, and the next finds another', async () => {
  await using db = await testDatabase({ initialised: false })
  await using line = await postgresProxy(db.options)
  let closed = 0
  const onClose = (): void => void closed++
  const sql = openSql(line.options, { purpose: 'silent', max: 2, answerLimitMs: 300, onClose })
  // Statements of both connections, so that both are there when the line goes dead.
  await Promise.all([sql`select pg_sleep(0.05)`, sql`select pg_sleep(0.05)`])
  line.silence()
  const beganMs = performance.now()
  const lost = await Promise.allSettled([1, 2, 3].map((n) => sql`select ${n}::integer as n`))
  const tookMs = performance.now() - beganMs
  for (const result of lost) {
    assert.equal(result.status, 'rejected')
    assert.equal(result.reason.code, 'CONNECTION_DESTROYED')
  }
  assert.ok(tookMs >= 290 && tookMs < limitMs, `it took ${tookMs.toFixed(0)} ms`)
  assert.equal((await sql<{ n: number }[]>`select 4 as n`)[0]?.n, 4)
  assert.equal(closed, 2)
  await sql.end({ timeout: 1 })
})

test('a connection that answers one statement after the other is kept, however long the last of them waits', async () => {
  await using db = await testDatabase({ initialised: false })
  let closed = 0
  const onClose = (): void => void closed++
  const sql = openSql(db.options, { purpose: 'busy', max: 1, answerLimitMs: 400, onClose })
  await Promise.all(Array.from({ length: 8 }, () => sql`select pg_sleep(0.15)`))
  assert.equal(closed, 0)
  await sql.end({ timeout: 1 })
})
