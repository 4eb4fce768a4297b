import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RoomId } from '#protocol/ids/room-id.ts'
import { parseUserId } from '#protocol/ids/user-id.ts'
import { compileRules } from '#protocol/push/evaluate.ts'
import type { Reads } from '#storage/reads.ts'
import { UserRoom } from '#storage/sync/user-rooms.ts'
import type { SyncHost } from './host.ts'
import { NewestEvents } from './newest-events.ts'
import { UnreadCounts } from './unread.ts'

/** Remembers from where events were asked for; `during` runs while Postgres is asked for the first time. */
function hostAsking(during: () => void): { host: SyncHost; askedAfter: number[] } {
  const askedAfter: number[] = []
  let isFirst = true
  const sql = (strings: readonly string[], ...values: readonly unknown[]): Promise<unknown[]> => {
    if (isFirst) during()
    isFirst = false
    if (strings.join('').includes('order by l.room_nid, l.pos')) {
      const ranges = values.filter((value) => Array.isArray(value)) as number[][]
      askedAfter.push(...(ranges[1] ?? []))
    }
    return Promise.resolve([])
  }
  // The casts are sound: nothing else of a client and of a host is used here.
  const reads = { sql } as unknown as Reads
  const newest = new NewestEvents(reads, () => -1)
  return { host: { reads, newest } as unknown as SyncHost, askedAfter }
}

test('who leaves and comes back while a room is being counted is counted from when he came back', async () => {
  // The cast is sound: it has the form of a room id.
  const room = new UserRoom('!room:test.local' as RoomId, 7, 0)
  room.changes.push({ pos: 5, membership: 'join', before: undefined })
  const { host, askedAfter } = hostAsking(() => {
    room.changes.push({ pos: 11, membership: 'leave', before: 'join' })
    counts.forget(room.roomId)
    room.changes.push({ pos: 12, membership: 'join', before: 'leave' })
  })
  const counts = new UnreadCounts(host, parseUserId('@ann:test.local'))
  const rules = compileRules(undefined)
  await counts.catchUp([{ room, upTo: 10 }], rules)
  await counts.catchUp([{ room, upTo: 14 }], rules)
  assert.deepEqual(askedAfter, [5, 12])
})
