import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Reads } from '#storage/reads.ts'
import { NewestEvents } from './newest-events.ts'

const room = 7

interface Log {
  readonly newest: NewestEvents
  /** Statements that were made, by what they ask for. */
  readonly asked: string[]
  heardTo: number
  /** Runs while Postgres answers. */
  during: () => void
}

/** A room with events at these positions, of which a page holds the newest. */
function logWith(positions: number[]): Log {
  const log: { asked: string[]; heardTo: number; during: () => void } = {
    asked: [],
    heardTo: 100,
    during: () => {},
  }
  const sql = (strings: readonly string[], ...values: readonly unknown[]): Promise<unknown[]> => {
    const text = strings.join('?')
    const lists = values.filter((value) => Array.isArray(value)) as number[][]
    if (text.includes('from relation')) {
      log.asked.push('relations')
      log.during()
      return Promise.resolve((lists[1] ?? []).includes('$1' as never) ? [{ id: '$1' }] : [])
    }
    if (!text.includes('from unnest')) return Promise.resolve([])
    log.asked.push('events')
    const [, [after = 0] = [], [upTo = 0] = [], [limit = 0] = []] = lists
    const within = positions.filter((pos) => pos > after && pos <= upTo)
    log.during()
    return Promise.resolve(within.slice(-limit).map(rowOf))
  }
  // The cast is sound: nothing else of a client is used here.
  const newest = new NewestEvents({ sql } as unknown as Reads, () => log.heardTo)
  return Object.assign(log, { newest })
}

function rowOf(pos: number): object {
  const sender = '@ann:test.local'
  const event = { event_nid: pos, event_id: `$${pos}`, type: 'm.room.message', sender, json: '{}' }
  const absent = [
    'room_id',
    'user_id',
    'membership',
    'prev_membership',
    'state_root',
    'body',
    'state_key',
    'txn',
  ]
  const nothing = Object.fromEntries([...absent, 'redacted_by'].map((name) => [name, null]))
  return { ...nothing, ...event, shard_id: 0, pos, epoch: 1, kind: 1, room_nid: room, origin_server_ts: 0 }
}

async function positionsOf({ newest }: Log, limit: number, upTo = 100, after = 0): Promise<number[]> {
  const pages = await newest.timelines([{ roomNid: room, after, upTo, limit }])
  return (pages.get(room) ?? []).map(({ pos }) => pos)
}

async function countedOf({ newest }: Log, after: number, upTo = 100): Promise<number[]> {
  const pages = await newest.toCount([{ roomNid: room, after, upTo, limit: 500 }])
  return (pages.get(room) ?? []).map(({ pos }) => pos)
}

test('what was read is good for the next, for shorter pages too, until an event comes', async () => {
  const positions = [1, 2, 3, 4]
  const log = logWith(positions)
  assert.deepEqual(await positionsOf(log, 3), [2, 3, 4])
  assert.deepEqual(await positionsOf(log, 3), [2, 3, 4])
  assert.deepEqual(await positionsOf(log, 2), [3, 4])
  assert.deepEqual(log.asked, ['events'])
  positions.push(101)
  log.heardTo = 101
  log.newest.forget(room)
  assert.deepEqual(await positionsOf(log, 3, 101), [3, 4, 101])
  assert.equal(log.asked.length, 2)
})

test('a longer page is read, unless it is known that there is nothing else', async () => {
  const log = logWith([1, 2, 3, 4])
  await positionsOf(log, 3)
  assert.deepEqual(await positionsOf(log, 5), [1, 2, 3, 4])
  assert.equal(log.asked.length, 2)
  assert.deepEqual(await positionsOf(log, 50), [1, 2, 3, 4])
  assert.equal(log.asked.length, 2)
})

test('what comes while a page is being read is not missed by the next', async () => {
  const positions = [1, 2]
  const log = logWith(positions)
  log.during = () => {
    positions.push(101)
    log.heardTo = 101
    log.newest.forget(room)
    log.during = () => {}
  }
  assert.deepEqual(await positionsOf(log, 3), [1, 2])
  assert.deepEqual(await positionsOf(log, 3, 101), [1, 2, 101])
})

test('Postgres is asked where the room is not heard, or not so far', async () => {
  const log = logWith([1, 2])
  for (const heardTo of [-1, 101]) {
    log.heardTo = heardTo
    await positionsOf(log, 3)
    await positionsOf(log, 3)
  }
  assert.equal(
    log.asked.length,
    4,
    'nothing is kept of a room not heard, or when something after the page was heard',
  )
  log.heardTo = 100
  await positionsOf(log, 3)
  assert.equal(log.asked.length, 5)
  await positionsOf(log, 3, 101)
  assert.equal(log.asked.length, 6, 'what lies above is not heard yet')
  await positionsOf(log, 3, 1)
  assert.equal(log.asked.length, 7, 'the page is of a later time')
})

test('events are counted from what is kept where that reaches back so far', async () => {
  const log = logWith([1, 2, 3, 4])
  await positionsOf(log, 3)
  assert.deepEqual(await countedOf(log, 2), [3, 4])
  assert.deepEqual(await countedOf(log, 4), [])
  assert.equal(log.asked.length, 1)
  assert.deepEqual(await countedOf(log, 0), [1, 2, 3, 4])
  assert.equal(log.asked.length, 2)
})

test('to what nothing relates, nothing is looked for again until something comes in the room', async () => {
  const log = logWith([1, 2])
  const events = [1, 2].map((n) => ({ roomNid: room, eventId: `$${n}` }))
  await positionsOf(log, 3)
  assert.deepEqual([...(await log.newest.related(events))], ['$1'])
  assert.deepEqual([...(await log.newest.related(events))], ['$1'])
  assert.deepEqual([...(await log.newest.related(events.slice(1)))], [])
  const before = log.asked.filter((what) => what === 'relations').length
  assert.equal(before, 2, 'the second event was not asked for by itself')
  log.newest.forget(room)
  await log.newest.related(events.slice(1))
  assert.equal(log.asked.filter((what) => what === 'relations').length, before + 1)
})

test('a relation that comes while relations are looked for is found by the next', async () => {
  const log = logWith([2])
  await positionsOf(log, 3)
  log.during = () => log.newest.forget(room)
  await log.newest.related([{ roomNid: room, eventId: '$2' }])
  log.during = () => {}
  await positionsOf(log, 3)
  await log.newest.related([{ roomNid: room, eventId: '$2' }])
  assert.equal(log.asked.filter((what) => what === 'relations').length, 2)
})
