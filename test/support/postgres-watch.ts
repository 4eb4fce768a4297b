/**
 * Stops the shared test server when no test has used it for a while. Started by the first test as a process of its own; there is
 * one at a time, and it ends with the server.
 */

import { setTimeout as delay } from 'node:timers/promises'

import { openSql } from '#storage/connection.ts'
import { stopServer } from '#storage/embedded/server.ts'
import { testLocks, testServer, testStorageOptions } from './postgres.ts'

const idleMs = 20_000
const lookMs = 1000

const place = await testServer()
const sql = openSql(testStorageOptions(place, 'postgres'), { purpose: 'watcher', max: 1 })

async function tryLock([space, key]: readonly [number, number]): Promise<boolean> {
  const [row] = await sql<{ taken: boolean }[]>`
    select pg_try_advisory_lock(${space}::integer, ${key}::integer) as taken`
  return row?.taken === true
}

/** Databases of tests that were killed. */
async function dropLeftOvers(): Promise<void> {
  const left = await sql<{ name: string }[]>`
    select datname as name from pg_database d where datname like 't\_%'
      and not exists (select from pg_stat_activity a where a.datname = d.datname)`
  for (const { name } of left) await sql.unsafe(`drop database if exists ${name}`)
}

try {
  if (await tryLock(testLocks.watcher)) {
    let idleSince = performance.now()
    for (;;) {
      await delay(lookMs)
      if (!(await tryLock(testLocks.users))) {
        idleSince = performance.now()
        continue
      }
      if (performance.now() - idleSince >= idleMs) {
        // The lock is kept: who comes now waits for it, is sent away by the shutdown and starts the server anew.
        await dropLeftOvers()
        await stopServer(place, 10_000)
        break
      }
      await sql`select pg_advisory_unlock(${testLocks.users[0]}::integer, ${testLocks.users[1]}::integer)`
    }
  }
} finally {
  await sql.end({ timeout: 0 })
}
