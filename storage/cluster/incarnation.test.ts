import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'

import { type TestDatabase, testDatabase } from '#test/support/postgres.ts'
import { bearsOut, checkIncarnation, leastEpoch, raiseIncarnation, readCluster } from './incarnation.ts'
import { takeEventNumbers, takeRoomNumbers } from './numbers.ts'
import { listShards } from './shards.ts'

const limit = { timeout: 30_000 }
/** More than anybody takes between two failovers. */
const many = 100_000

interface Given {
  readonly incarnation: number
  readonly epochs: readonly number[]
  readonly event: number
  readonly room: number
}

/** What is given out by a database that finds itself on another server. */
async function raised({ database: { control, reads } }: TestDatabase): Promise<Given> {
  await control.sql`update cluster set timeline = timeline + 1`
  assert.equal(await checkIncarnation(control), true)
  const { first } = await takeEventNumbers(control)
  const [room = 0] = await takeRoomNumbers(control, 1)
  const epochs = (await listShards(reads)).map(({ epoch }) => epoch)
  return { incarnation: (await readCluster(reads))?.incarnation ?? 0, epochs, event: first, room }
}

/** The database is as it was when this had been given out, and little more. */
async function goBack(
  { database: { control } }: TestDatabase,
  { incarnation, epochs, event, room }: Given,
): Promise<void> {
  await control.sql`update cluster set incarnation = ${incarnation}`
  await control.sql`update shard set epoch = ${Math.max(...epochs) + 3}, owner = null`
  await control.sql`select setval('event_number', ${event + 50_000}), setval('room_number', ${room + 500})`
}

test(
  'standbys that are promoted in turn, each without what the one before did, have nothing in common',
  limit,
  async () => {
    await using db = await testDatabase()
    const known = await raised(db)
    let last = known
    for (let promotion = 0; promotion < 2; promotion++) {
      await goBack(db, known)
      await delay(1100)
      const next = await raised(db)
      assert.ok(next.incarnation > last.incarnation, `${last.incarnation}, then ${next.incarnation}`)
      assert.ok(
        Math.min(...next.epochs) > Math.max(...last.epochs) + many,
        'who claimed there meanwhile is fenced',
      )
      assert.ok(Math.max(...last.epochs) < leastEpoch(next.incarnation))
      assert.ok(Math.min(...next.epochs) >= leastEpoch(next.incarnation))
      assert.ok(next.event > last.event + many)
      assert.ok(next.room > last.room + many)
      last = next
    }
    assert.ok(Number.isSafeInteger((1000 * Math.max(last.event, last.room, ...last.epochs)) / 500))
  },
)

test(
  'where the clock says less than before, or the same, the incarnation is raised all the same',
  limit,
  async () => {
    await using db = await testDatabase()
    const { control, reads } = db.database
    const ahead = Math.floor(Date.now() / 1000) + 3600
    await control.sql`update cluster set incarnation = ${ahead}`
    const held = await takeEventNumbers(control)
    await raiseIncarnation(control)
    await raiseIncarnation(control)
    assert.equal((await readCluster(reads))?.incarnation, ahead + 2)
    assert.ok((await listShards(reads)).every(({ epoch }) => epoch === leastEpoch(ahead + 2)))
    assert.ok((await takeEventNumbers(control)).first > held.last)
  },
)

test(
  'a database bears out what is held of its shards until it goes back, is another server or has another owner',
  limit,
  async () => {
    await using db = await testDatabase()
    const { control, reads } = db.database
    await control.sql`insert into log (shard_id, pos, epoch, kind) select 7, n, 0, 1 from generate_series(1, 9) n`
    const held = [
      { shard: 7, epoch: 0, position: 9 },
      { shard: 8, epoch: 0, position: 0 },
    ]
    assert.equal(await bearsOut(reads, held), true)
    assert.equal(await bearsOut(reads, []), true)
    assert.equal(
      await bearsOut(reads, [{ shard: 7, epoch: 0, position: 4 }]),
      true,
      'more may have been committed',
    )
    assert.equal(await bearsOut(reads, [{ shard: 7, epoch: 0, position: 10 }]), false)
    await control.sql`delete from log where pos = 9`
    assert.equal(await bearsOut(reads, held), false)
    await control.sql`insert into log (shard_id, pos, epoch, kind) values (7, 9, 0, 1)`
    await control.sql`update shard set epoch = 1 where shard_id = 8`
    assert.equal(await bearsOut(reads, held), false)
    const next = held.map((one) => (one.shard === 8 ? { ...one, epoch: 1 } : one))
    assert.equal(await bearsOut(reads, next), true)
    await control.sql`update cluster set timeline = timeline + 1`
    assert.equal(await bearsOut(reads, next), false, 'a server that nobody has looked at yet')
  },
)
