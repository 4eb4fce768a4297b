/** Ended sessions reach a gateway in time, whoever has ended them. */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { type EndedSession, SessionRows } from '#actors/follow/sessions.ts'
import { ManualClock } from '../support/manual-clock.ts'
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
