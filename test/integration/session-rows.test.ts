/** Ended sessions reach a gateway in time, whoever has ended them. */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { type EndedSession, SessionRows } from '#actors/follow/sessions.ts'
import { raiseIncarnation } from '#storage/cluster/incarnation.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { testDatabase } from '../support/postgres.ts'
import { SyncWorld } from '../support/sync-world.ts'

it(
  'an ended session is reported by the next look, and the time of that look covers it',
  { timeout: 60_000 },
  async () => {
    await using world = await SyncWorld.open()
    const ann = await world.person('ann')
    const clock = new ManualClock()
    const rows = new SessionRows({ reads: world.database.reads, clock })
    const ended: EndedSession[] = []
    rows.onRevoked((each) => ended.push(each))
    assert.equal(rows.seenAtMonotonicMs(), -Infinity)
    await rows.poll()
    assert.equal(rows.seenAtMonotonicMs(), clock.monotonic())
    await world.ask.ask('user', ann.userId, 'logout', { deviceIds: ['DEV'] })
    clock.pause(400)
    assert.deepEqual(ended, [])
    await rows.poll()
    assert.deepEqual(ended, [{ userId: ann.userId, deviceIds: ['DEV'] }])
    assert.equal(rows.seenAtMonotonicMs(), clock.monotonic())
    await rows.poll()
    assert.equal(ended.length, 1)
  },
)

it(
  'after a database that may have lost commits nobody is believed, and later ends are reported again',
  { timeout: 60_000 },
  async () => {
    await using db = await testDatabase()
    const { control, reads } = db.database
    const rows = new SessionRows({ reads, clock: new ManualClock() })
    const ended: EndedSession[] = []
    rows.onRevoked((each) => ended.push(each))
    const end = (pos: number): PromiseLike<unknown> => control.sql`
      insert into log (shard_id, pos, epoch, kind, user_id) values (3, ${pos}, 1, 23, '@ann:test.local')`
    for (const pos of [1, 2, 3]) await end(pos)
    await rows.poll()
    // As after a failover: the log ends earlier than before, and goes on from there.
    await control.sql`delete from log where pos > 1`
    await raiseIncarnation(control)
    await rows.poll()
    assert.deepEqual(ended, [{ userId: 'everybody', deviceIds: 'all' }])
    await end(2)
    await rows.poll()
    assert.deepEqual(ended.slice(1), [{ userId: '@ann:test.local', deviceIds: 'all' }])
  },
)

it(
  'whoever has slept while rows came and were swept away believes nobody, once',
  { timeout: 60_000 },
  async () => {
    await using db = await testDatabase()
    const { control, reads } = db.database
    const rows = new SessionRows({ reads, clock: new ManualClock() })
    const ended: EndedSession[] = []
    rows.onRevoked((each) => ended.push(each))
    await rows.poll()
    // Rows up to 4 were swept; the latest one of a log stays.
    await control.sql`
      insert into log (shard_id, pos, epoch, kind, user_id) values (3, 5, 1, 23, '@ann:test.local')`
    await control.sql`insert into sweep values (3, 4, 4, 5, now(), 4)`
    await rows.poll()
    assert.deepEqual(ended, [{ userId: 'everybody', deviceIds: 'all' }])
    await rows.poll()
    assert.equal(ended.length, 1)
  },
)
