import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseUserId } from '#protocol/ids/user-id.ts'
import type { Reads } from '#storage/reads.ts'
import { ManualClock } from '#test/support/manual-clock.ts'
import type { Asker } from '../runtime/client.ts'
import { Fanout } from './fanout.ts'

const userId = parseUserId('@ann:test.local')

/** A database with one row that is still to be told to one room. */
function backlogOf(): Reads {
  const account = {
    userId,
    createdAt: 1,
    passwordHash: null,
    admin: false,
    deactivatedAt: null,
    erased: false,
  }
  const sql = (strings: readonly string[]): Promise<unknown[]> => {
    const text = strings.join('')
    if (text.includes('left join cursor'))
      return Promise.resolve([{ kind: 'devices', shard_id: 2, stored: 4, pos: 5, user_id: userId }])
    if (text.includes('from account')) return Promise.resolve([account])
    return Promise.resolve([{ room_id: '!room:test.local' }])
  }
  // The cast is sound: nothing else is asked for.
  return { sql } as unknown as Reads
}

test('whoever waits for his changes to reach the rooms waits also for those of the owner before', async () => {
  const clock = new ManualClock()
  const told: string[] = []
  const ask: Asker['ask'] = (actor, key, kind) => {
    told.push(`${actor} ${key} ${kind}`)
    return Promise.resolve({} as never)
  }
  const fanout = new Fanout()
  fanout.shardClaimed(2, { clock, ask: { ask }, reads: backlogOf() })
  let toldWhenSettled: readonly string[] | undefined
  const settled = fanout.settled(2, userId).then(() => {
    toldWhenSettled = [...told]
  })
  await clock.advance(100)
  assert.equal(toldWhenSettled, undefined, 'the log has not been looked through yet')
  await clock.advance(500)
  await settled
  assert.equal(toldWhenSettled?.[0], 'room !room:test.local deviceList')
  fanout.dispose()
})
